package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"rollcall/cmd/registry/bench/kit"
)

// A row is one kind of work, measured on several servers.
type row = kit.Row[bench, report]

// rows lists all work in the order of the report.
func rows() []row {
	return []row{
		{Name: "put", Run: runLoad(heartbeatLoad)},
		{Name: "durable-1", Run: runLoad(durableLoad("durable-1", 1, 1.0))},
		{Name: "durable-64", Run: runLoad(durableLoad("durable-64", 64, 1.5))},
		{Name: "start", Run: runStart},
		{Name: "get", Run: runLoad(getLoad)},
		{Name: "get-ttl", Run: runLoad(getTTLLoad)},
		{Name: "list", Run: runLoad(listLoad)},
		{Name: "list-ttl", Run: runLoad(listTTLLoad)},
		{Name: "list-busy", Run: runLoad(listBusyLoad)},
		{Name: "watch", Run: runWatch},
		{Name: "memory", Run: runMemory(memoryWork{name: "memory", title: "memory per key"})},
		{Name: "memory-ttl", Run: runMemory(memoryWork{name: "memory-ttl", title: "memory per key with ttl", ttl: "3600"})},
	}
}

// bench is one run of the command: what all rows share.
type bench struct {
	options
	progress io.Writer
	work     string // directory of this run, on disk
	tmpWork  string // directory of this run in memory; empty when there is none
}

// newBench finds the programs and makes the directories, so that a row fails only for reasons of its own.
func newBench(o options, progress io.Writer) (*bench, error) {
	b := &bench{options: o, progress: progress}
	if err := kit.Find("make bench", &b.registry, &b.etcd, &b.wrk); err != nil {
		return nil, err
	}
	if err := raiseOpenFiles(o.watchers); err != nil {
		return nil, err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return nil, err
		}
	}
	return b, b.makeDirs()
}

func (b *bench) makeDirs() error {
	parent, err := filepath.Abs(b.dir)
	if err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp(parent, "rollcall-bench-"); err != nil {
		return err
	}
	if b.tmpfs == "" {
		return nil
	}
	b.tmpWork, err = os.MkdirTemp(b.tmpfs, "rollcall-bench-")
	if err != nil {
		b.close()
	}
	return err
}

// close removes what the run has written, except for profiles.
func (b *bench) close() {
	for _, dir := range []string{b.work, b.tmpWork} {
		if dir == "" {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			b.say("remove %s: %v", dir, err)
		}
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
