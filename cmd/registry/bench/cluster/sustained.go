package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// A cluster gets more connections until its rate grows by less than a part.
	firstConnections = 16
	lastConnections  = 512
	worthwhile       = 1.05
	// nameAllWatched is the registry, all of whose changes are watched.
	nameAllWatched = "registry, all watched"
	// ladderTurn is the time on each step of that ladder.
	ladderTurn = 4 * time.Second
)

// A sustainedTurn is what one cluster did in one round with as many changes as it takes.
type sustainedTurn struct {
	wrkResult
	seen      spread  // from sending a change to a watcher of another node having it
	share     float64 // of the changes that the watchers have seen
	growth    float64 // of the resident set of the node that grew most, last quarter of the time by the third
	rss       float64 // the largest mean resident set in the last quarter, bytes
	perChange float64
	strangers float64
}

func (t sustainedTurn) disturbance() float64 { return t.strangers }

// runSustained is the row of the changes at one node, as many as it takes.
func runSustained(ctx context.Context, b *bench, rep *report) error {
	clusters, stop, err := b.startBoth(ctx)
	if err != nil {
		return err
	}
	defer stop()
	connections := map[string]int{}
	for _, c := range clusters {
		if connections[c.name], err = b.climb(ctx, c, clusters); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	turns := map[string][]sustainedTurn{}
	for round := range b.rounds {
		for _, c := range clusters {
			t, err := calmly(ctx, b, func() (sustainedTurn, error) {
				finish := b.profileFirst(ctx, "sustained", c, round)
				t, err := b.sustainedOnce(ctx, c, clusters, watchedDir, connections[c.name], b.duration)
				return t, errors.Join(err, finish())
			})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			turns[c.name] = append(turns[c.name], t)
			b.saySustained(c.name, round, t)
		}
		// Once more, while the others send every change to a watcher and not a part. etcd's watches would not bear it.
		t, err := calmly(ctx, b, func() (sustainedTurn, error) {
			return b.sustainedOnce(ctx, clusters[0], clusters, allDir, connections[nameRegistry], b.duration)
		})
		if err != nil {
			return err
		}
		turns[nameAllWatched] = append(turns[nameAllWatched], t)
		b.saySustained(nameAllWatched, round, t)
	}
	reportSustained(rep, connections, turns)
	return nil
}

func (b *bench) saySustained(name string, round int, t sustainedTurn) {
	b.say("sustained: round %d of %d: %-8s %.0f/s, seen p50 %.1f ms, p99 %.1f, memory × %.3f; others took %.0f %%",
		round+1, b.rounds, name, t.rate(), t.seen.p50, t.seen.p99, t.growth, t.strangers)
}

// climb finds the number of connections from which on more do not help. It warms the cluster up as well.
func (b *bench) climb(ctx context.Context, c *cluster, all []*cluster) (int, error) {
	best, rate := 0, 0.0
	for n := firstConnections; n <= lastConnections; n *= 2 {
		t, err := calmly(ctx, b, func() (sustainedTurn, error) {
			return b.sustainedOnce(ctx, c, all, watchedDir, n, ladderTurn)
		})
		if err != nil {
			return 0, err
		}
		b.say("sustained: %-8s with %d connections: %.0f/s, seen p99 %.1f ms", c.name, n, t.rate(), t.seen.p99)
		if best > 0 && t.rate() < rate*worthwhile {
			break
		}
		best, rate = n, t.rate()
	}
	return best, nil
}

// sustainedOnce is the turn of one cluster.
func (b *bench) sustainedOnce(
	ctx context.Context, c *cluster, all []*cluster, dir string, connections int, d time.Duration,
) (sustainedTurn, error) {
	var t sustainedTurn
	watch, err := b.followOthers(ctx, c, dir)
	if err != nil {
		return t, err
	}
	defer func() { _ = watch.close() }()
	before, err := b.usage(c, all...)
	if err != nil {
		return t, err
	}
	sampler := startSampler(ctx, c)
	t.wrkResult, err = b.changeAll(ctx, c.writer(), connections, d)
	memory := sampler.stop()
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
	t.seen = newSpread(lags)
	t.share = float64(len(lags)) / float64(t.requests) / float64(len(c.others()))
	if dir == watchedDir {
		t.share *= watchedPart
	}
	t.growth, t.rss = memory.growth()
	used := after.since(before)
	t.perChange = float64(used.servers.Microseconds()) / float64(t.requests)
	t.strangers = used.strangers(after.at.Sub(before.at))
	if t.share < 0.99 {
		return t, fmt.Errorf("only %.1f %% of the changes were seen", 100*t.share)
	}
	return t, c.agree(ctx)
}

func reportSustained(rep *report, connections map[string]int, turns map[string][]sustainedTurn) {
	const work = "changes at one node, as many as it takes"
	ours, theirs := turns[nameRegistry], turns[nameEtcd]
	rate := func(t sustainedTurn) float64 { return t.rate() }
	p99 := func(t sustainedTurn) float64 { return t.seen.p99 }
	growth := func(t sustainedTurn) float64 { return t.growth }
	rep.add(
		figure{work, "changes/s", kit.AtLeast(10_000), kit.Series(ours, rate), kit.Series(theirs, rate)},
		figure{work, "changes/s, times etcd's", kit.AtLeast(3), kit.Ratios(kit.Series(ours, rate), kit.Series(theirs, rate)), nil},
		figure{work, "seen at the others: p99 ms", kit.AtMost(250), kit.Series(ours, p99), kit.Series(theirs, p99)},
		figure{work, "growth of memory, last quarter by third", kit.AtMost(1.05), kit.Series(ours, growth), kit.Series(theirs, growth)},
	)
	watched := turns[nameAllWatched]
	connections[nameAllWatched] = connections[nameRegistry]
	const watchedWork = "the same, each change sent to a watcher at both others"
	rep.add(
		figure{watchedWork, "changes/s", kit.Target{}, kit.Series(watched, rate), nil},
		figure{watchedWork, "seen at the others: p99 ms", kit.Target{}, kit.Series(watched, p99), nil},
	)
	details := kit.Table{
		Title: work,
		Head: []string{
			"cluster, round", "connections", "changes/s", "answered p50 ms", "p99", "seen p50 ms", "p99", "max",
			"seen %", "memory MiB", "CPU µs/change, 3 nodes", "CPU of others %",
		},
	}
	for _, name := range []string{nameRegistry, nameAllWatched, nameEtcd} {
		for i, t := range turns[name] {
			details.AddFigures(fmt.Sprintf("%s, %d", name, i+1), float64(connections[name]), t.rate(),
				t.p50.Seconds()*1000, t.p99.Seconds()*1000, t.seen.p50, t.seen.p99, t.seen.max,
				100*t.share, t.rss/(1<<20), t.perChange, t.strangers)
		}
	}
	rep.tables = append(rep.tables, details)
}
