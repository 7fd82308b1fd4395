package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// lightRate is the load of the existing nodes, requests a second, while another one joins: one in ten is a change, of
	// the others half are heartbeats and half are reads.
	lightRate = 500
	// joinSettle is how long the load runs before the other node starts, and how long the figures before it are taken.
	joinSettle = 10 * time.Second
	// seedWires is how many connections fill each node.
	seedWires = 16
)

// A joinTurn is one start of an empty node.
type joinTurn struct {
	ready         float64 // seconds from the start of the process to its being ready
	before, while spread  // of the requests to the existing nodes
	strangers     float64
}

func (t joinTurn) disturbance() float64 { return t.strangers }

// runJoin is the row of the empty node that joins many entries.
func runJoin(ctx context.Context, b *bench, rep *report) error {
	c, err := b.startRegistry(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	if err := b.fill(ctx, c); err != nil {
		return err
	}
	var turns []joinTurn
	for round := range b.rounds {
		t, err := calmly(ctx, b, func() (joinTurn, error) { return b.joinOnce(ctx, c) })
		if err != nil {
			return err
		}
		turns = append(turns, t)
		b.say("join: round %d of %d: ready after %.2f s; p99 of requests %.2f ms before, %.2f ms meanwhile; others took %.0f %%",
			round+1, b.rounds, t.ready, t.before.p99, t.while.p99, t.strangers)
	}
	reportJoin(rep, b.entries, turns)
	return nil
}

// fill writes the entries, spread over the nodes, and waits until all nodes have all.
func (b *bench) fill(ctx context.Context, c *cluster) error {
	conns, err := dialAll(ctx, c.servers, seedWires)
	if err != nil {
		return err
	}
	defer func() { _ = conns.Close() }()
	if err := conns.doAll(b.entries, joinEntry); err != nil {
		return err
	}
	if err := c.waitMetric(ctx, "rollcall_entries", float64(b.entries)); err != nil {
		return err
	}
	b.say("join: %d entries are in", b.entries)
	return nil
}

// joinEntry sets entry i: a name of 20 bytes and a value of 10, half of them with a ttl.
func joinEntry(i int) request {
	form := fmt.Sprintf("value=10.%03d.%03d", i/1000%1000, i%1000)
	if i%2 == 0 {
		form += "&ttl=3600"
	}
	return putRequest(joinPath(i), form)
}

func joinPath(i int) string { return fmt.Sprintf("/v2/keys/d%03d/frontend-host-%06d", i/1000, i) }

// lightRequest is request i of the load of the existing nodes. A heartbeat goes to the node at which the entry is
// registered, since request i goes to node i modulo their number, as entry i did.
func (b *bench) lightRequest(i int) request {
	entry := i % b.entries
	switch {
	case i%10 == 9:
		return putRequest("/v2/keys/changes/fe"+fmt.Sprintf("%02d", i%100), fmt.Sprintf("value=%d", i))
	case i%2 == 0:
		return joinEntry(entry) // has a ttl
	default:
		return getRequest(joinPath(entry))
	}
}

// joinOnce runs the load, starts a node in the middle of it, and stops that node again.
func (b *bench) joinOnce(ctx context.Context, c *cluster) (joinTurn, error) {
	var t joinTurn
	if err := c.waitMembers(ctx, nodes); err != nil {
		return t, err
	}
	conns, err := dialAll(ctx, c.servers, pacedWires/nodes)
	if err != nil {
		return t, err
	}
	defer func() { _ = conns.Close() }()
	load, stop := context.WithCancel(ctx)
	var group errgroup.Group
	var found []timing
	group.Go(func() error {
		var err error
		found, err = pacing{conns, lightRate, b.lightRequest}.run(load)
		return err
	})
	begun, ready, err := b.joinDuring(ctx, c, &t)
	stop()
	if err := errors.Join(err, group.Wait()); err != nil {
		return t, err
	}
	t.ready = ready.Sub(begun).Seconds()
	t.before = newSpread(durations(between(found, begun.Add(-joinSettle), begun)))
	t.while = newSpread(durations(between(found, begun, ready)))
	return t, nil
}

// joinDuring starts the node and returns when it did and when the node was ready.
func (b *bench) joinDuring(ctx context.Context, c *cluster, t *joinTurn) (begun, ready time.Time, err error) {
	if err := kit.Pause(ctx, joinSettle+joinSettle/5); err != nil { // the first part warms up
		return begun, ready, err
	}
	s, err := b.newSite(ctx, "n4")
	if err != nil {
		return begun, ready, err
	}
	before, err := b.usage(c)
	if err != nil {
		return begun, ready, err
	}
	begun = time.Now()
	joiner, err := b.launchRegistry(ctx, s, sitesOf(c))
	if err != nil {
		return begun, ready, err
	}
	defer joiner.stop()
	if err := joiner.waitReady(ctx); err != nil {
		return begun, ready, err
	}
	ready = time.Now()
	have, err := joiner.metric(ctx, "rollcall_entries")
	if err == nil && int(have) < b.entries {
		err = fmt.Errorf("the node is ready with %.0f of %d entries", have, b.entries)
	}
	if err != nil {
		return begun, ready, err
	}
	after, err := b.usage(c)
	if err != nil {
		return begun, ready, err
	}
	cpu, err := joiner.proc.cpu()
	used := after.since(before)
	used.own += cpu
	t.strangers = used.strangers(after.at.Sub(before.at))
	return begun, ready, err
}

func sitesOf(c *cluster) []site {
	var sites []site
	for _, s := range c.servers {
		sites = append(sites, s.site)
	}
	return sites
}

// between are the requests that were sent in some time.
func between(timings []timing, from, to time.Time) []timing {
	var some []timing
	for _, t := range timings {
		if !t.at.Before(from) && t.at.Before(to) {
			some = append(some, t)
		}
	}
	return some
}

func reportJoin(rep *report, entries int, turns []joinTurn) {
	work := fmt.Sprintf("an empty node joins %d entries", entries)
	before := kit.Series(turns, func(t joinTurn) float64 { return t.before.p99 })
	while := kit.Series(turns, func(t joinTurn) float64 { return t.while.p99 })
	rep.add(
		figure{work, "s until it is ready", kit.AtMost(10), kit.Series(turns, func(t joinTurn) float64 { return t.ready }), nil},
		figure{work, "p99 of requests meanwhile, times before", kit.AtMost(2), kit.Ratios(while, before), nil},
	)
	details := kit.Table{
		Title: work,
		Head:  []string{"round", "ready after s", "requests before: p50 ms", "p99", "max", "meanwhile: p50 ms", "p99", "max", "CPU of others %"},
	}
	for i, t := range turns {
		details.AddFigures(strconv.Itoa(i+1), t.ready, t.before.p50, t.before.p99, t.before.max, t.while.p50, t.while.p99, t.while.max, t.strangers)
	}
	rep.tables = append(rep.tables, details)
}
