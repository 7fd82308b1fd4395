package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// outcome is what one run of the command came to.
type outcome struct {
	code           int
	stdout, stderr string
}

// testEnv is an environment with the given variables, each NAME=VALUE, and an empty input.
func testEnv(args []string, vars ...string) environment {
	values := map[string]string{}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		values[name] = value
	}
	return environment{
		args: args, stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard,
		lookup: func(name string) (string, bool) { v, ok := values[name]; return v, ok },
	}
}

// runCommand runs the command in this process.
func runCommand(ctx context.Context, env environment) outcome {
	var stdout, stderr bytes.Buffer
	env.stdout, env.stderr = &stdout, &stderr
	code := run(ctx, env)
	return outcome{code, stdout.String(), stderr.String()}
}

// process is a run of the command that goes on, with its output line by line.
type process struct {
	lines <-chan string
	stop  context.CancelFunc
	code  <-chan int
}

// start runs the command until the test ends or stop is called.
func start(t *testing.T, env environment) process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	lines, code := make(chan string, 100), make(chan int, 1)
	env.stdout = writer
	go func() {
		code <- run(ctx, env)
		_ = writer.Close()
	}()
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(cancel)
	return process{lines: lines, stop: cancel, code: code}
}

// want reads the next lines and compares them.
func (p process) want(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-p.lines:
			if got != w {
				t.Errorf("line %q, want %q", got, w)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no line within ten seconds, want %q", w)
		}
	}
}

// wantCode waits for the end.
func (p process) wantCode(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-p.code:
		if got != want {
			t.Errorf("exit code %d, want %d", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end within ten seconds")
	}
}
