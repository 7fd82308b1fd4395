package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/spf13/pflag"

	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// limitsConfig bounds what clients may make a node hold and serve; docs/limits.md has the
// reasons. The zero value has no limits but that of --max-body.
type limitsConfig struct {
	store registry.Limits // a Value of 0 is what --max-body permits
	guard httpapi.GuardOptions
}

// Defaults that nobody should meet who keeps a registry: they are there so that a client that
// has run wild costs its own writes and not the node.
const (
	defaultMaxKey         = 4 << 10
	defaultMaxDepth       = 64
	defaultMaxEntries     = 2_000_000
	defaultMaxBytes       = 2 << 30
	defaultMaxRemovals    = 5_000_000
	defaultMaxWatches     = 50_000
	defaultMaxConnections = 65_536
)

// maxMaxKey is the most that a key may have: what one node takes the others must take, too, and
// the journal, with the largest value and what else is in a record.
const maxMaxKey = 1<<20 - 64

func (c *limitsConfig) register(flags *pflag.FlagSet) {
	s, g := &c.store, &c.guard
	flags.IntVar(&s.Value, "max-value", 0, "largest value in bytes (default what --max-body permits)")
	flags.IntVar(&s.Key, "max-key", defaultMaxKey, "longest new key in bytes")
	flags.IntVar(&s.Depth, "max-depth", defaultMaxDepth, "most segments of a new key")
	flags.IntVar(&s.Entries, "max-entries", defaultMaxEntries, "most keys and directories; 0 for no limit")
	flags.Int64Var(&s.Bytes, "max-bytes", defaultMaxBytes, "most bytes of all keys and values; 0 for no limit")
	flags.IntVar(&s.Removals, "max-removals", defaultMaxRemovals, "removed keys remembered at which no new keys are made; 0 for no limit")
	flags.IntVar(&s.Watches, "max-watches", defaultMaxWatches, "most watches that wait; 0 for no limit")
	flags.IntVar(&g.WatchesPerClient, "max-watches-per-client", 0, "most watches of one client address that wait (default 0, no limit)")
	flags.Float64Var(&g.Rate, "max-rate", 0, "requests for keys a second and client address; heartbeats and removals go on above it (default 0, no limit)")
	flags.IntVar(&g.Connections, "max-connections", defaultMaxConnections, "open connections of clients at which idle ones are closed for new ones; 0 for no limit")
}

// validate refuses limits that cannot be. A value that fits into no body needs no flag.
func (c *limitsConfig) validate(maxBody int64) error {
	s, g := &c.store, &c.guard
	return errors.Join(
		within("--max-value", s.Value, 0, int(min(maxBody, math.MaxInt))),
		within("--max-key", s.Key, 1, maxMaxKey),
		within("--max-depth", s.Depth, 1, registry.MaxSegments),
		within("--max-entries", s.Entries, 0, math.MaxInt),
		within("--max-bytes", s.Bytes, 0, math.MaxInt64),
		within("--max-removals", s.Removals, 0, math.MaxInt),
		within("--max-watches", s.Watches, 0, math.MaxInt),
		within("--max-watches-per-client", g.WatchesPerClient, 0, math.MaxInt),
		within("--max-connections", g.Connections, 0, math.MaxInt),
		within("--max-rate", g.Rate, 0, 1e9),
	)
}

// within refuses a number outside of a range; NaN is outside of all.
func within[N int | int64 | float64](flag string, n, least, most N) error {
	switch {
	case n >= least && n <= most:
		return nil
	case n < least:
		return fmt.Errorf("%s %v: must be %v or more", flag, n, least)
	default:
		return fmt.Errorf("%s %v: must be %v or less", flag, n, most)
	}
}

// ofStore returns the limits of the node's store.
func (c *limitsConfig) ofStore(maxBody int64) registry.Limits {
	l := c.store
	if l.Value == 0 {
		l.Value = int(min(maxBody, math.MaxInt))
	}
	return l
}
