package lbsync

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// maxFileLen is far above the file of the largest pool that a balancer takes, in bytes.
	maxFileLen = 16 << 20
	// maxLineLen is the longest line that HAProxy reads, in bytes.
	maxLineLen = 2048
)

// lint is the last look at a rendered file before the balancer's checker sees it, for templates of users as for our own:
// a checker may read, write and run what a configuration names.
func lint(text []byte) error {
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

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
