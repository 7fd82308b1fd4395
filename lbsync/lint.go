package lbsync

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

const (
	// maxFileLen is far above the file of the largest pool that a balancer takes, in bytes.
	maxFileLen = 16 << 20
	// maxLineLen is the longest line that HAProxy reads, in bytes.
	maxLineLen = 2048
)

// Lint is the last look at a rendered file before the balancer's checker sees it, for templates of users as for our own:
// a checker may read, write and run what a configuration names.
func Lint(text []byte) error {
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return errors.New("rendered file is empty")
	case len(text) > maxFileLen:
		return fmt.Errorf("rendered file has more than %d bytes", maxFileLen)
	case text[len(text)-1] != '\n':
		return errors.New("rendered file does not end with a line feed")
	case !utf8.Valid(text):
		return errors.New("rendered file is not UTF-8")
	}
	line := 0
	for row := range bytes.Lines(text) {
		line++
		if len(row) > maxLineLen {
			return fmt.Errorf("line %d of the rendered file has more than %d bytes", line, maxLineLen)
		}
		if bytes.ContainsFunc(row[:len(row)-1], isControl) {
			return fmt.Errorf("line %d of the rendered file has a control character", line)
		}
	}
	return nil
}

// LintServers tells whether a rendered file has lost a whole pool, as a template with a wrong condition may do: each pool
// with servers must have the address of one of them in the file.
func LintServers(text []byte, pools []Pool) error {
	for _, p := range pools {
		there := func(s Server) bool { return bytes.Contains(text, []byte(s.Addr.Addr().String())) }
		if len(p.Servers) > 0 && !slices.ContainsFunc(p.Servers, there) {
			return fmt.Errorf("rendered file has none of the %d servers of %s", len(p.Servers), p.Name)
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
