// Command bench measures from outside how fast and how smoothly lbsync changes a running HAProxy and a running nginx, and
// prints what it found as Markdown.
//
// All of them are processes of their own on one machine, over the loopback: a registry node, lbsync, HAProxy, nginx. The
// benchmark itself is the hosts, which register, serve and disappear, and the clients, who count every answer that is
// not the right one. A host that has been out of the registry for two seconds gives its address to somebody else, who
// answers with an error: a balancer that still sends requests there is found out.
//
// Beside lbsync, in the same run with the same changes, a second HAProxy and a second nginx are kept as confd does it: the
// registry is polled, a whole file is written, checked and reloaded.
//
// A figure that misses its target is no error: people judge those, so the exit code does not.
//
// Run it by `make bench-lbsync`, which installs HAProxy and nginx when they are missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

func main() { kit.Main("lbsync-bench", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	rows, err := kit.Select(rows(), opts.only)
	if err != nil {
		return err
	}
	b, err := newBench(opts, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	return b.runRows(ctx, rows, stdout)
}

// options are the command line.
type options struct {
	registry string // path of our binary
	haproxy  string // path or name of HAProxy
	nginx    string // path or name of nginx
	dir      string // parent of the directories of this run
	only     string // names of rows, separated by commas; empty is all
	short    bool   // a run of seconds, to see that everything works
	keep     bool   // leave the directories, with all configurations and logs
	sizes
}

// sizes are how much is done.
type sizes struct {
	changes int // in the row "changes", for each kind of client
	joins   int // in the row "joins", after calm and in a stream each
	deaths  int // in the row "deaths"
	idle    int // seconds of heartbeats in the row "heartbeats"
	beating int // hosts in the row "heartbeats"
	large   int // hosts in the row "large"
	steps   int // single changes in the row "large"
	kinds   int // of clients in the row "changes"
	stay    int // for how many joins of the stream a host stays in

	warmUp time.Duration // how long clients ask before the first change, and after the last one
	calm   time.Duration // how long nothing changes before what is measured after calm
}

const (
	warmUp      = 3 * time.Second
	shortWarmUp = 300 * time.Millisecond
	// calm is longer than the pause between two reloads of nginx, and than two polls of confd's way may take.
	calm      = 2500 * time.Millisecond
	shortCalm = 1100 * time.Millisecond
)

// short is enough of everything to see that it works.
func (s sizes) short() sizes {
	return sizes{
		changes: min(s.changes, 5), joins: 1, deaths: 1, idle: 1, beating: 50, large: min(s.large, 200), steps: 1,
		kinds: 1, stay: 1, warmUp: shortWarmUp, calm: shortCalm,
	}
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("lbsync-bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.registry, "registry", "bin/registry", "`path` of the registry binary")
	fs.StringVar(&o.haproxy, "haproxy", "haproxy", "`path` of HAProxy")
	fs.StringVar(&o.nginx, "nginx", "nginx", "`path` of nginx")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "`directory` for configurations and sockets; its path must be short")
	fs.StringVar(&o.only, "only", "", "`rows` to run, separated by commas: "+kit.Names(rows()))
	fs.BoolVar(&o.short, "short", false, "do a little of everything, to see that it works")
	fs.BoolVar(&o.keep, "keep", false, "leave configurations and logs")
	fs.IntVar(&o.changes, "changes", 200, "changes under load, for each kind of client")
	fs.IntVar(&o.joins, "joins", 100, "hosts that join after calm, and as many in a stream of changes")
	fs.IntVar(&o.deaths, "deaths", 12, "hosts that die, of a hundred")
	fs.IntVar(&o.idle, "idle", 60, "seconds of heartbeats without a change")
	fs.IntVar(&o.beating, "beating", 500, "hosts that heartbeat without a change")
	fs.IntVar(&o.large, "large", 4000, "hosts in a large pool")
	fs.IntVar(&o.steps, "steps", 20, "single changes of the large pool")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.kinds, o.stay, o.warmUp, o.calm = len(kinds()), streamStay, warmUp, calm
	if o.short {
		o.sizes = o.sizes.short()
	}
	return o, o.validate(fs.NArg())
}

// validate refuses what would fail minutes later, or measure nothing.
func (o options) validate(extraArgs int) error {
	switch s := o.sizes; {
	case extraArgs > 0:
		return errors.New("only flags are expected")
	case min(s.changes, s.joins, s.deaths, s.idle, s.beating, s.large, s.steps) < 1:
		return errors.New("all sizes must be at least 1")
	case s.deaths >= deathHosts:
		return fmt.Errorf("-deaths must be below %d", deathHosts)
	case s.large+2*s.steps > maxLarge:
		return fmt.Errorf("-large and twice -steps together must be at most %d, which is what HAProxy's round robin takes", maxLarge)
	}
	return nil
}
