package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
)

// warmUp is a turn before the first round that is not counted: caches, pools and heaps find their size.
const warmUp = time.Second

// A turn is what one server did in one round.
type turn struct {
	wrkResult
	cpu time.Duration // that the server used, for all its requests
}

func (t turn) rate() float64 { return float64(t.requests) / t.duration.Seconds() }

// cpuPerRequest is in microseconds.
func (t turn) cpuPerRequest() float64 { return float64(t.cpu.Microseconds()) / float64(t.requests) }

// A contest is one load on several servers.
type contest struct {
	bench   *bench
	load    load
	wrk     wrkLoad
	servers fleet
	turns   map[string][]turn // by server, one per round
}

// runLoad is the row of a load that wrk does.
func runLoad(newLoad func() load) func(context.Context, *bench, *report) error {
	return func(ctx context.Context, b *bench, rep *report) error {
		c := &contest{bench: b, load: newLoad(), turns: map[string][]turn{}}
		defer c.servers.stop()
		if err := c.prepare(ctx); err != nil {
			return err
		}
		for round := range b.rounds {
			if err := c.playRound(ctx, round); err != nil {
				return err
			}
		}
		c.report(rep)
		return nil
	}
}

// prepare starts the servers and warms them up. The bare one comes last, since it needs the registry's answers.
func (c *contest) prepare(ctx context.Context) error {
	var err error
	if c.wrk, err = newWrkLoad(c.bench.wrk, c.bench.work, c.load); err != nil {
		return err
	}
	registry, err := c.servers.add(ctx, c.bench.registryLauncher())
	if err != nil {
		return err
	}
	for _, l := range c.rivals() {
		if _, err := c.servers.add(ctx, l); err != nil {
			return err
		}
	}
	if !c.load.durable {
		if err := c.addBare(ctx, registry); err != nil {
			return err
		}
	}
	for _, s := range c.servers {
		if _, err := c.play(ctx, s, warmUp); err != nil {
			return err
		}
	}
	return nil
}

// rivals are the servers beside the registry and the bare one.
func (c *contest) rivals() []launcher {
	rivals := c.bench.etcdLaunchers()
	switch {
	case c.load.durable, !c.load.writes:
		return rivals[:1]
	default:
		return append(rivals, c.bench.memoryOnlyLauncher())
	}
}

func (c *contest) addBare(ctx context.Context, registry *server) error {
	if err := c.seed(ctx, registry); err != nil {
		return err
	}
	sample, err := registry.send(ctx, c.load.sample)
	if err != nil {
		return err
	}
	beat, err := registry.send(ctx, heartbeat(sampled))
	if err != nil {
		return err
	}
	bare, err := c.bench.bareLauncher(bareAnswers{Get: sample, Put: beat})
	if err != nil {
		return err
	}
	_, err = c.servers.add(ctx, bare)
	return err
}

func (c *contest) playRound(ctx context.Context, round int) error {
	for _, s := range c.servers {
		finish := c.bench.profileFirst(ctx, c.load.name, s, round)
		t, err := c.play(ctx, s, c.bench.duration)
		if err := finish(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		c.turns[s.name] = append(c.turns[s.name], t)
		c.bench.say("%s: round %d of %d: %-13s %7.0f/s, %6.1f us of cpu each",
			c.load.name, round+1, c.bench.rounds, s.name, t.rate(), t.cpuPerRequest())
	}
	return nil
}

// play is the turn of one server: fill it, load it, look at what it answers.
func (c *contest) play(ctx context.Context, s *server, duration time.Duration) (turn, error) {
	if err := c.seed(ctx, s); err != nil {
		return turn{}, fmt.Errorf("fill %s: %w", s.name, err)
	}
	before, err := s.proc.cpu()
	if err != nil {
		return turn{}, err
	}
	result, err := c.apply(ctx, s, duration)
	if err != nil {
		return turn{}, fmt.Errorf("load %s: %w", s.name, err)
	}
	after, err := s.proc.cpu()
	if err != nil {
		return turn{}, err
	}
	if err := c.verify(ctx, s, result); err != nil {
		return turn{}, fmt.Errorf("check %s: %w", s.name, err)
	}
	return turn{result, after - before}, nil
}

func (c *contest) seed(ctx context.Context, s *server) error {
	return s.sendAll(ctx, len(c.load.seed), func(i int) request { return c.load.seed[i] })
}

// apply runs wrk, and beside it the heartbeats of a load that has some.
func (c *contest) apply(ctx context.Context, s *server, duration time.Duration) (wrkResult, error) {
	if c.load.background == nil {
		return c.wrk.run(ctx, s, duration)
	}
	group, ctx := errgroup.WithContext(ctx)
	beats, stop := context.WithCancel(ctx)
	group.Go(func() error { return pace(beats, s, c.load.background) })
	var result wrkResult
	group.Go(func() error {
		defer stop()
		var err error
		result, err = c.wrk.run(ctx, s, duration)
		return err
	})
	return result, group.Wait()
}

// verify makes sure that wrk was answered with what it asked for: it counts bytes, and one answer is read in full.
func (c *contest) verify(ctx context.Context, s *server, result wrkResult) error {
	body, err := s.send(ctx, c.load.sample)
	if err != nil {
		return err
	}
	// Indexes and ttls may be some digits shorter; heads are not counted, so this is lenient.
	if size := result.bytes / result.requests; size < int64(len(body))*9/10 {
		return fmt.Errorf("answers had %d bytes, one has %d", size, len(body))
	}
	a, err := parseAnswer(body)
	if err != nil {
		return err
	}
	return c.load.check(a)
}

// pace sends requests at busyRate until ctx ends. Many may be under way at a time, since a loaded server is slow to
// answer each.
func pace(ctx context.Context, s *server, of func(i int) request) error {
	requests, ctx := errgroup.WithContext(ctx)
	requests.SetLimit(writers)
	tick := time.NewTicker(time.Second / busyRate)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return requests.Wait()
		case <-tick.C:
			requests.Go(func() error {
				// One that is under way when the turn ends is finished all the same.
				_, err := s.send(context.WithoutCancel(ctx), of(i%entries))
				return err
			})
		}
	}
}

// report adds the ratios of the registry to each other server, and what each server did.
func (c *contest) report(rep *report) {
	ours := c.turns[nameRegistry]
	for _, s := range c.servers[1:] {
		goal := c.load.againstEtcd
		switch s.name {
		case nameBare:
			goal = c.load.againstBare
		case nameMemoryOnly:
			goal = kit.AtLeast(0.95)
		}
		theirs := c.turns[s.name]
		rep.compare(comparison{
			work: c.load.title, against: s.name, what: "requests/s", target: goal,
			ratios: kit.Ratios(kit.Series(ours, turn.rate), kit.Series(theirs, turn.rate)),
			cpu:    kit.Ratios(kit.Series(ours, turn.cpuPerRequest), kit.Series(theirs, turn.cpuPerRequest)),
		})
	}
	details := kit.Table{Title: c.load.title, Head: []string{"server", "requests/s", "p50 ms", "p99 ms", "CPU µs/request"}}
	for _, s := range c.servers {
		turns := c.turns[s.name]
		addRow(&details, s.name,
			"%.0f", kit.Median(kit.Series(turns, turn.rate)),
			"%.2f", kit.Median(kit.Series(turns, func(t turn) float64 { return t.p50.Seconds() * 1000 })),
			"%.2f", kit.Median(kit.Series(turns, func(t turn) float64 { return t.p99.Seconds() * 1000 })),
			"%.1f", kit.Median(kit.Series(turns, turn.cpuPerRequest)))
	}
	rep.tables = append(rep.tables, details)
}
