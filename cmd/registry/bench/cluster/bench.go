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

// nodes is the size of each cluster.
const nodes = 3

// A row is one kind of work.
type row = kit.Row[bench, report]

// rows lists all work in the order of the report.
func rows() []row {
	return []row{
		{Name: "latency", Run: runLatency},
		{Name: "sustained", Run: runSustained},
		{Name: "heartbeats", Run: runHeartbeats},
		{Name: "join", Run: runJoin},
		{Name: "wire", Run: runWire},
	}
}

// bench is one run of the command: what all rows share.
type bench struct {
	options
	progress io.Writer
	work     string // directory of this run
	clock    clock
}

// newBench finds the programs and makes the directories, so that a row fails only for reasons of its own.
func newBench(o options, progress io.Writer) (*bench, error) {
	b := &bench{options: o, progress: progress, clock: newClock(time.Now())}
	if err := kit.Find("make bench-cluster", &b.registry, &b.etcd, &b.wrk); err != nil {
		return nil, err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return nil, err
		}
	}
	parent, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, err
	}
	b.work, err = os.MkdirTemp(parent, "rollcall-cluster-bench-")
	return b, err
}

// close removes what the run has written, except for profiles.
func (b *bench) close() {
	if err := os.RemoveAll(b.work); err != nil {
		b.say("remove the data directories: %v", err)
	}
}

// runRows measures row by row and prints the report. A row that fails ends the run, after the report of those before.
func (b *bench) runRows(ctx context.Context, rows []row, stdout io.Writer) error {
	rep := &report{facts: b.machineFacts(ctx)}
	var failed error
	for _, r := range rows {
		b.say("%s", r.Name)
		if err := r.Run(ctx, b, rep); err != nil {
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
