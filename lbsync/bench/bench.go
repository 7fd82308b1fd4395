package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A row is one kind of work. It adds its figures and its details to the report.
type row struct {
	name string // as -only takes it
	run  func(ctx context.Context, b *bench, rep *report) error
}

// rows lists all work in the order of the report.
func rows() []row {
	return []row{
		{"changes", runChanges},
		{"joins", runJoins},
		{"deaths", runDeaths},
		{"heartbeats", runHeartbeats},
		{"large", runLarge},
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
	port     int    // counts the ports that were tried
}

// newBench finds the programs and makes the directory, so that a row fails only for reasons of its own.
func newBench(o options, progress io.Writer) (*bench, error) {
	b := &bench{options: o, progress: progress, port: rand.N(lastPort - firstPort)}
	for _, path := range []*string{&b.registry, &b.haproxy, &b.nginx} {
		found, err := exec.LookPath(*path)
		if err != nil {
			return nil, fmt.Errorf("find a program (make bench-lbsync builds or installs it): %w", err)
		}
		if *path, err = filepath.Abs(found); err != nil {
			return nil, err
		}
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
		b.say("%s", r.name)
		if err := b.watched(ctx, r, rep); err != nil {
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

// Ports are taken from below those that the kernel gives to whoever asks for any: one of those could be given to another
// program before ours listens on it.
const firstPort, lastPort = 11_000, 29_000

// freeAddr is a port on the loopback that nobody listens on and that was not returned before.
func (b *bench) freeAddr(ctx context.Context) (string, error) {
	port, err := b.freePort(ctx)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}

// freePort is free on all addresses of the machine.
func (b *bench) freePort(ctx context.Context) (uint16, error) {
	var last error
	for range 100 {
		b.port++
		port := firstPort + b.port%(lastPort-firstPort)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
		if err == nil {
			return uint16(port), l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port: %w", last)
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
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
}
