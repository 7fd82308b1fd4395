package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// warmUp is a turn before the first round that is not counted: caches, pools and heaps find their size.
	warmUp = 3 * time.Second
	// pacedWires is how many connections share a steady load; etcd needs some, since each write waits for its disk.
	pacedWires = 64
)

// A latencyTurn is what one cluster did in one round at a steady rate.
type latencyTurn struct {
	seen      spread // from sending a change to a watcher of another node having it
	answered  spread // from sending a change to its answer
	perChange float64
	strangers float64
}

func (t latencyTurn) disturbance() float64 { return t.strangers }

// runLatency is the row of the steady changes at one node.
func runLatency(ctx context.Context, b *bench, rep *report) error {
	clusters, stop, err := b.startBoth(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for _, c := range clusters {
		_, err := calmly(ctx, b, func() (latencyTurn, error) { return b.latencyOnce(ctx, c, clusters, warmUp) })
		if err != nil {
			return err
		}
	}
	turns := map[string][]latencyTurn{}
	for round := range b.rounds {
		for _, c := range clusters {
			t, err := calmly(ctx, b, func() (latencyTurn, error) {
				finish := b.profileFirst(ctx, "latency", c, round)
				t, err := b.latencyOnce(ctx, c, clusters, b.duration)
				return t, errors.Join(err, finish())
			})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			turns[c.name] = append(turns[c.name], t)
			b.say("latency: round %d of %d: %-8s seen after %.2f ms, p99 %.2f, max %.1f; others took %.0f %%",
				round+1, b.rounds, c.name, t.seen.p50, t.seen.p99, t.seen.max, t.strangers)
		}
	}
	reportLatency(rep, b.rate, turns)
	return nil
}

// latencyOnce is the turn of one cluster.
func (b *bench) latencyOnce(ctx context.Context, c *cluster, all []*cluster, d time.Duration) (latencyTurn, error) {
	var t latencyTurn
	watch, err := b.followOthers(ctx, c, watchedDir)
	if err != nil {
		return t, err
	}
	defer func() { _ = watch.close() }()
	conns, err := dialAll(ctx, c.servers[:1], pacedWires)
	if err != nil {
		return t, err
	}
	defer func() { _ = conns.Close() }()
	before, err := b.usage(c, all...)
	if err != nil {
		return t, err
	}
	answers, err := pacing{conns, b.rate, b.change}.runFor(ctx, d)
	if err != nil {
		return t, err
	}
	after, err := b.usage(c, all...)
	if err != nil {
		return t, err
	}
	lags, err := watch.finish(ctx, c)
	if err != nil {
		return t, err
	}
	if want := countWatched(answers) * len(c.others()); len(lags) != want {
		return t, fmt.Errorf("%d changes were seen of %d", len(lags), want)
	}
	used := after.since(before)
	t = latencyTurn{
		seen: newSpread(lags), answered: newSpread(durations(answers)),
		perChange: float64(used.servers.Microseconds()) / float64(len(answers)),
		strangers: used.strangers(after.at.Sub(before.at)),
	}
	return t, c.agree(ctx)
}

// change is a write of the time to one of many entries, as wrk.lua makes them.
func (b *bench) change(i int) request {
	dir := fmt.Sprintf("%s/d%03d", allDir, i%changedEntries/1000)
	if isWatched(i) {
		dir = watchedDir
	}
	return putRequest(fmt.Sprintf("%s/fe%06d", dir, i%changedEntries),
		"value="+strconv.FormatInt(b.clock.micros(time.Now()), 10))
}

func isWatched(i int) bool { return i%watchedPart == 0 }

func countWatched(timings []timing) int {
	n := 0
	for _, t := range timings {
		if isWatched(t.i) {
			n++
		}
	}
	return n
}

func durations(timings []timing) []time.Duration {
	took := make([]time.Duration, 0, len(timings))
	for _, t := range timings {
		took = append(took, t.took)
	}
	return took
}

func reportLatency(rep *report, rate int, turns map[string][]latencyTurn) {
	work := fmt.Sprintf("%d changes/s at one node, seen at the others", rate)
	ours, theirs := turns[nameRegistry], turns[nameEtcd]
	for _, f := range []struct {
		what   string
		target kit.Target
		of     func(latencyTurn) float64
	}{
		{"p50 ms", kit.AtMost(3), func(t latencyTurn) float64 { return t.seen.p50 }},
		{"p99 ms", kit.AtMost(20), func(t latencyTurn) float64 { return t.seen.p99 }},
	} {
		rep.add(figure{work, f.what, f.target, kit.Series(ours, f.of), kit.Series(theirs, f.of)})
	}
	details := kit.Table{
		Title: work,
		Head:  []string{"cluster, round", "seen p50 ms", "p99", "max", "answered p50 ms", "p99", "CPU µs/change, 3 nodes", "CPU of others %"},
	}
	for _, name := range []string{nameRegistry, nameEtcd} {
		for i, t := range turns[name] {
			details.AddFigures(fmt.Sprintf("%s, %d", name, i+1),
				t.seen.p50, t.seen.p99, t.seen.max, t.answered.p50, t.answered.p99, t.perChange, t.strangers)
		}
	}
	rep.tables = append(rep.tables, details)
}
