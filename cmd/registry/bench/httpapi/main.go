// Command bench compares the registry with the real etcd and with a bare chi handler, in one run on one machine, and
// prints the ratios as Markdown.
//
// Absolute numbers depend on the machine, its other tenants and the hour. Therefore each work is done on all servers
// in turn, in several rounds (A B C A B C …), a ratio is taken within each round, and the report gives the median of
// these ratios with the smallest and the largest. Each server is its own process. Beside the throughput stands the CPU
// time per request, which suffers less from noisy neighbours.
//
// The servers are:
//
//   - registry: `registry serve` of this module, with its data directory on disk;
//   - registry, memory only: the same without a data directory;
//   - etcd: `etcd --enable-v2` as Debian ships it, data on disk; it waits for the disk on each write;
//   - etcd on tmpfs: the same with its data in memory, so that no comparison rests on the disk alone;
//   - bare chi: a router and a handler that answers fixed bytes of the same size, the limit of the stack we use.
//
// A measurement with a single wrong answer yields an error, never a ratio. A ratio that misses its target is no error:
// people judge those, so the exit code does not.
//
// Run it by `make bench`, which installs etcd and wrk when they are missing. See docs/performance.md for what it found.
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

func main() { kit.Main("bench", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == bareCommand {
		return runBare(ctx, args[1:])
	}
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
	registry string        // path of our binary
	etcd     string        // path or name of etcd
	wrk      string        // path or name of wrk
	dir      string        // parent of the data directories on disk; empty is the system's temporary directory
	tmpfs    string        // parent of a data directory in memory; empty leaves the server "etcd on tmpfs" out
	only     string        // names of rows, separated by commas; empty is all
	rounds   int           // how often each server has its turn
	duration time.Duration // of one turn under load
	watchers int           // in the row "watch"
	keys     int           // in the rows "memory" and "memory-ttl"
	stored   int           // in the row "start"
	profile  string        // directory for CPU profiles of the registry; empty takes none
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.registry, "registry", "bin/registry", "`path` of the registry binary")
	fs.StringVar(&o.etcd, "etcd", "etcd", "`path` of etcd")
	fs.StringVar(&o.wrk, "wrk", "wrk", "`path` of wrk")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "`directory` on a disk, for the servers' data")
	fs.StringVar(&o.tmpfs, "tmpfs", "/dev/shm", "`directory` in memory, for the second etcd; empty leaves it out")
	fs.StringVar(&o.only, "only", "", "`rows` to run, separated by commas: "+kit.Names(rows()))
	fs.IntVar(&o.rounds, "rounds", 5, "how often each server has its turn")
	fs.DurationVar(&o.duration, "duration", 4*time.Second, "of one turn under load")
	fs.IntVar(&o.watchers, "watchers", 10_000, "connections that wait for one change")
	fs.IntVar(&o.keys, "keys", 100_000, "keys held for the memory rows")
	fs.IntVar(&o.stored, "stored", 1_000_000, "entries on disk at the start that is timed")
	fs.StringVar(&o.profile, "profile", "", "write a CPU profile of the registry, ROW.prof, to this `directory`")
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
	case o.rounds < 1 || o.watchers < 1 || o.keys < 1 || o.stored < 1:
		return errors.New("-rounds, -watchers, -keys and -stored must be at least 1")
	case o.duration < time.Second || o.duration > maxTurn:
		return fmt.Errorf("-duration must be between 1s and %s", maxTurn)
	}
	return nil
}
