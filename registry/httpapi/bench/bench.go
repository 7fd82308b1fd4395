package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A row is one kind of work, measured on several servers. It adds its ratios and its details to the report.
type row struct {
	name string // as -only takes it
	run  func(ctx context.Context, b *bench, rep *report) error
}

// rows lists all work in the order of the report.
func rows() []row {
	return []row{
		{"put", runLoad(heartbeatLoad)},
		{"get", runLoad(getLoad)},
		{"get-ttl", runLoad(getTTLLoad)},
		{"list", runLoad(listLoad)},
		{"list-ttl", runLoad(listTTLLoad)},
		{"list-busy", runLoad(listBusyLoad)},
		{"watch", runWatch},
		{"memory", runMemory(memoryWork{name: "memory", title: "memory per key"})},
		{"memory-ttl", runMemory(memoryWork{name: "memory-ttl", title: "memory per key with ttl", ttl: "3600"})},
	}
}

func rowNames() []string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// selectRows returns the rows that a -only flag names, all of them for an empty one.
func selectRows(only string) ([]row, error) {
	if only == "" {
		return rows(), nil
	}
	byName := map[string]row{}
	for _, r := range rows() {
		byName[r.name] = r
	}
	var chosen []row
	for name := range strings.SplitSeq(only, ",") {
		r, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("-only: no row is named %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
		chosen = append(chosen, r)
	}
	return chosen, nil
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
	for _, path := range []*string{&b.registry, &b.etcd, &b.wrk} {
		found, err := exec.LookPath(*path)
		if err != nil {
			return nil, fmt.Errorf("find a program (make bench builds or installs it): %w", err)
		}
		if *path, err = filepath.Abs(found); err != nil {
			return nil, err
		}
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
		b.say("%s", r.name)
		if err := r.run(ctx, b, rep); err != nil {
			failed = fmt.Errorf("row %s: %w", r.name, err)
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
	_, _ = fmt.Fprintf(b.progress, "==> "+format+"\n", args...)
}
