// Command bench measures a cluster of three registry nodes, where it can beside three nodes of the real etcd in the
// same run on the same machine, and prints what it found as Markdown.
//
// All nodes are processes of their own and share the processors with the client, over the loopback. What is measured is
// how long a change takes from the client that sends it to a watch on another node, how many changes a second a node
// takes and passes on, what gossip costs on the wire, and how an empty node joins.
//
// The two clusters take turns, in several rounds (A B A B …); the report gives medians with the smallest and the
// largest figure. Ratios are taken within a round. A measurement with a single wrong answer, a watch that lost its
// place, or nodes that disagree afterwards yields an error, never a figure. A figure that misses its target is no
// error: people judge those, so the exit code does not.
//
// Run it by `make bench-cluster`, which installs etcd and wrk when they are missing. See docs/performance-cluster.md
// for what it found.
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

func main() { kit.Main("cluster-bench", run) }

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
	registry  string        // path of our binary
	etcd      string        // path or name of etcd
	wrk       string        // path or name of wrk
	dir       string        // parent of the data directories on disk; empty is the system's temporary directory
	only      string        // names of rows, separated by commas; empty is all
	rounds    int           // how often each cluster has its turn
	duration  time.Duration // of one turn under load
	window    time.Duration // of one count of gossip, idle or with heartbeats
	rate      int           // changes a second in the row "latency"
	hosts     int           // in the row "heartbeats"
	entries   int           // in the row "join"
	strangers float64       // percent of the processors that others may take during a turn before it is done again
	profile   string        // directory for CPU profiles of the registry; empty takes none
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("cluster-bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.registry, "registry", "bin/registry", "`path` of the registry binary")
	fs.StringVar(&o.etcd, "etcd", "etcd", "`path` of etcd")
	fs.StringVar(&o.wrk, "wrk", "wrk", "`path` of wrk")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "`directory` on a disk, for the servers' data")
	fs.StringVar(&o.only, "only", "", "`rows` to run, separated by commas: "+kit.Names(rows()))
	fs.IntVar(&o.rounds, "rounds", 3, "how often each cluster has its turn")
	fs.DurationVar(&o.duration, "duration", 15*time.Second, "of one turn under load")
	fs.DurationVar(&o.window, "window", 30*time.Second, "of one count of gossip, idle or with heartbeats")
	fs.IntVar(&o.rate, "rate", 1000, "changes a second in the row latency")
	fs.IntVar(&o.hosts, "hosts", 10_000, "hosts that heartbeat")
	fs.IntVar(&o.entries, "entries", 200_000, "entries that an empty node gets")
	fs.Float64Var(&o.strangers, "strangers", 10, "`percent` of the processors that others may take in a turn before it is repeated")
	fs.StringVar(&o.profile, "profile", "", "write CPU profiles of two nodes, ROW-NODE.prof, to this `directory`")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate(fs.NArg())
}

// validate refuses what would fail minutes later, or measure nothing.
func (o options) validate(extraArgs int) error {
	switch {
	case extraArgs > 0:
		return errors.New("only flags are expected")
	case o.rounds < 1 || o.rate < 1 || o.hosts < nodes || o.entries < 1:
		return fmt.Errorf("-rounds, -rate and -entries must be at least 1, -hosts %d", nodes)
	case o.duration < 2*time.Second:
		return errors.New("-duration must be at least 2s")
	case o.window < time.Second || o.window > maxWindow:
		return fmt.Errorf("-window must be between 1s and %s", maxWindow)
	}
	return nil
}
