package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

// A row is one kind of work.
type row = kit.Row[bench, report]

// rows lists all work in the order of the report.
func rows() []row {
	return []row{
		{Name: "changes", Run: runChanges},
		{Name: "joins", Run: runJoins},
		{Name: "deaths", Run: runDeaths},
		{Name: "heartbeats", Run: runHeartbeats},
		{Name: "large", Run: runLarge},
	}
}

// bench is one run of the command: what all rows share.
type bench struct {
	options
	progress io.Writer
	work     string // directory of this run
}

// newBench finds the programs and makes the directory, so that a row fails only for reasons of its own.
func newBench(o options, progress io.Writer) (*bench, error) {
	b := &bench{options: o, progress: progress}
	if err := kit.Find("make bench-lbsync", &b.registry, &b.haproxy, &b.nginx); err != nil {
		return nil, err
	}
	parent, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, err
	}
	if b.work, err = os.MkdirTemp(parent, "lbsync-bench-"); err != nil {
		return nil, err
	}
	return b, os.Chmod(b.work, 0o755) // nginx's workers are of another user.
}

// close removes what the run has written.
func (b *bench) close() {
	if b.keep {
		b.say("configurations and logs are in %s", b.work)
		return
	}
	if err := os.RemoveAll(b.work); err != nil {
		b.say("remove the directory: %v", err)
	}
}

// runRows measures row by row and prints the report. A row that fails ends the run, after the report of those before.
func (b *bench) runRows(ctx context.Context, rows []row, stdout io.Writer) error {
	rep := &report{facts: b.machineFacts(ctx)}
	var failed error
	for _, r := range rows {
		b.say("%s", r.Name)
		if err := b.watched(ctx, r, rep); err != nil {
			failed = fmt.Errorf("row %s: %w", r.Name, err)
			break
		}
	}
	if err := rep.write(stdout); err != nil {
		return err
	}
	return failed
}

// say prints one line of progress, kept apart from the report.
func (b *bench) say(format string, args ...any) {
	kit.Progress(b.progress, format, args...)
}

// pollUntil asks again and again until done holds, and fails after limit.
func pollUntil(ctx context.Context, every, limit time.Duration, what string, done func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		ok, err := done()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			if err != nil {
				return fmt.Errorf("%s: not within %s: %w", what, limit, err)
			}
			return fmt.Errorf("%s: not within %s", what, limit)
		}
		if err := kit.Pause(ctx, every); err != nil {
			return err
		}
	}
}
