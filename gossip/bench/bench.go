package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// nodes is the size of each cluster.
const nodes = 3

// A row is one kind of work. It adds its figures and its details to the report.
type row struct {
	name string // as -only takes it
	run  func(ctx context.Context, b *bench, rep *report) error
}

// rows lists all work in the order of the report.
func rows() []row {
	return []row{
		{"latency", runLatency},
		{"sustained", runSustained},
		{"heartbeats", runHeartbeats},
		{"join", runJoin},
		{"wire", runWire},
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
	work     string // directory of this run
	clock    clock
	port     int // counts the ports that were tried
}

// newBench finds the programs and makes the directories, so that a row fails only for reasons of its own.
func newBench(o options, progress io.Writer) (*bench, error) {
	b := &bench{options: o, progress: progress, clock: newClock(time.Now()), port: rand.N(lastPort - firstPort)}
	for _, path := range []*string{&b.registry, &b.etcd, &b.wrk} {
		found, err := exec.LookPath(*path)
		if err != nil {
			return nil, fmt.Errorf("find a program (make bench-cluster builds or installs it): %w", err)
		}
		if *path, err = filepath.Abs(found); err != nil {
			return nil, err
		}
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

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
