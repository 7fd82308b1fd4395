package lbsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// filePlaceholder stands for a path in a command.
	filePlaceholder = "{file}"
	// outputLimit is how much of a command's output an error quotes, in bytes: its end, where the reason is.
	outputLimit = 2048
	// outputGrace is how long a killed command's pipes may stay open.
	outputGrace = time.Second
)

// A Command is a program and its arguments. There is no shell: nothing is split, expanded or quoted.
type Command []string

// HasFile tells whether {file} occurs in an argument.
func (c Command) HasFile() bool {
	return slices.ContainsFunc(c, func(arg string) bool { return strings.Contains(arg, filePlaceholder) })
}

// Program returns the place of the argument that names the given program, with or without a directory, or -1.
func (c Command) Program(name string) int {
	return slices.IndexFunc(c, func(arg string) bool { return filepath.Base(arg) == name })
}

// WithFile returns the command with path for {file}.
func (c Command) WithFile(path string) Command {
	out := make(Command, len(c))
	for i, arg := range c {
		out[i] = strings.ReplaceAll(arg, filePlaceholder, path)
	}
	return out
}

// Run runs the command and waits for it. Any end but exit code 0 within the time-out is an error that quotes the end of
// the command's output. A command that takes too long is killed with all that it has started in its process group.
func (c Command) Run(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no end within %v", timeout))
	defer cancel()
	var out tail
	cmd := exec.CommandContext(ctx, c[0], c[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputGrace
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // It has ended well; something it has left behind, such as a daemon, holds the pipe.
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w%s", filepath.Base(c[0]), err, out.quote())
}

// tail keeps the last bytes written to it.
type tail struct {
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - outputLimit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) quote() string {
	text := bytes.TrimSpace(bytes.ToValidUTF8(t.kept, []byte("?")))
	if len(text) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}
