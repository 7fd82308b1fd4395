package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// beatPeriod is how often each host heartbeats.
	beatPeriod = 5 * time.Second
	// leaseTTL is so long that the hosts may be silent for a count of the idle cluster.
	leaseTTL  = 2 * time.Minute
	maxWindow = time.Minute
	// gossipSettle lets what registering has begun come to its end.
	gossipSettle = 5 * time.Second

	wireSent = `rollcall_gossip_wire_bytes_total{direction="sent"`
)

// runHeartbeats is the row of the hosts that only say that they are still there: it counts gossip with all hosts silent
// and with all heartbeating, in turn, in the same cluster with the same entries.
func runHeartbeats(ctx context.Context, b *bench, rep *report) error {
	c, err := b.startRegistry(ctx)
	if err != nil {
		return err
	}
	defer c.stop()
	conns, err := dialAll(ctx, c.servers, pacedWires/nodes)
	if err != nil {
		return err
	}
	defer func() { _ = conns.Close() }()
	// A multiple of the nodes, so that host i is always at node i modulo their number.
	hosts := (b.hosts + nodes - 1) / nodes * nodes
	beat := func(i int) request { return heartbeat("/frontends", i%hosts) }
	if err := conns.doAll(hosts, beat); err != nil {
		return err
	}
	beats := pacing{conns, int(float64(hosts) / beatPeriod.Seconds()), beat}
	var idle, busy []float64
	for round := range b.rounds {
		if err := kit.Pause(ctx, gossipSettle); err != nil {
			return err
		}
		rate, err := b.countGossip(ctx, c, func() error { return kit.Pause(ctx, b.window) })
		if err != nil {
			return err
		}
		idle = append(idle, rate)
		if _, err := beats.runFor(ctx, beatPeriod); err != nil {
			return err
		}
		rate, err = b.countGossip(ctx, c, func() error { _, err := beats.runFor(ctx, b.window); return err })
		if err != nil {
			return err
		}
		busy = append(busy, rate)
		b.say("heartbeats: round %d of %d: %.0f bytes/s of gossip idle, %.0f with %d heartbeats/s",
			round+1, b.rounds, idle[round], busy[round], beats.rate)
	}
	if err := c.checkBeats(ctx, hosts); err != nil {
		return err
	}
	work := fmt.Sprintf("%d hosts, a heartbeat each %s", hosts, beatPeriod)
	rep.add(
		figure{work, "bytes/s of gossip, all nodes", kit.Target{}, busy, nil},
		figure{work, "the same of the idle cluster", kit.Target{}, idle, nil},
		figure{work, "times the idle cluster's, all rounds", kit.AtMost(1.1), []float64{mean(busy) / mean(idle)}, nil},
		figure{work, "times the idle cluster's, by round", kit.Target{}, kit.Ratios(busy, idle), nil},
	)
	return nil
}

// heartbeat registers a host, or says that it is still there.
func heartbeat(dir string, host int) request {
	return putRequest(fmt.Sprintf("/v2/keys%s/fe%05d", dir, host),
		fmt.Sprintf("value=10.0.%d.%d&ttl=%d", host/250, 1+host%250, int(leaseTTL.Seconds())))
}

// countGossip returns the bytes a second that all nodes have sent to each other during some work.
func (b *bench) countGossip(ctx context.Context, c *cluster, work func() error) (float64, error) {
	start := time.Now()
	before, err := c.sum(ctx, wireSent)
	if err != nil {
		return 0, err
	}
	if err := work(); err != nil {
		return 0, err
	}
	after, err := c.sum(ctx, wireSent)
	return (after - before) / time.Since(start).Seconds(), err
}

// checkBeats makes sure that the heartbeats were heartbeats: all entries are there, and none was taken over, expired or
// passed on.
func (c *cluster) checkBeats(ctx context.Context, hosts int) error {
	if err := c.waitMetric(ctx, "rollcall_entries", float64(hosts)); err != nil {
		return err
	}
	var wrong []string
	for _, name := range []string{
		"rollcall_expirations_total", "rollcall_lease_takeovers_total", "rollcall_renewals_forwarded_total",
	} {
		sum, err := c.sum(ctx, name)
		if err != nil {
			return err
		}
		if sum != 0 {
			wrong = append(wrong, fmt.Sprintf("%s is %g", name, sum))
		}
	}
	if wrong != nil {
		return fmt.Errorf("not all heartbeats were renewals: %s", strings.Join(wrong, ", "))
	}
	return nil
}
