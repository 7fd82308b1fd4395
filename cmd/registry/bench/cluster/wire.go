package main

import (
	"context"
	"fmt"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	wireRate = 500 // changes a second
	wireTime = 20 * time.Second
)

// runWire is the row that holds the metric of gossip against the counters of the kernel: the nodes are in network
// namespaces of their own, and what clients say to them goes over another interface than gossip. It is done once.
func runWire(ctx context.Context, b *bench, rep *report) error {
	l, err := b.newLab(ctx)
	defer l.close(ctx)
	if err != nil {
		return fmt.Errorf("make network namespaces, which needs root and ip: %w", err)
	}
	c, err := b.startRegistryAt(ctx, l.sites)
	if err != nil {
		return err
	}
	defer c.stop()
	conns, err := dialAll(ctx, c.servers[:1], pacedWires/nodes)
	if err != nil {
		return err
	}
	defer func() { _ = conns.Close() }()
	if err := kit.Pause(ctx, gossipSettle); err != nil {
		return err
	}
	interfaces, err := l.sent(ctx)
	if err != nil {
		return err
	}
	metric, err := c.sum(ctx, wireSent)
	if err != nil {
		return err
	}
	changes, err := pacing{conns, wireRate, b.change}.runFor(ctx, wireTime)
	if err != nil {
		return err
	}
	metricAfter, err := c.sum(ctx, wireSent)
	if err != nil {
		return err
	}
	interfacesAfter, err := l.sent(ctx)
	if err != nil {
		return err
	}
	metric, interfaces = metricAfter-metric, interfacesAfter-interfaces
	work := fmt.Sprintf("%d changes/s for %s between network namespaces", wireRate, wireTime)
	rep.add(
		figure{work, "bytes of gossip by the metric", kit.Target{}, []float64{metric}, nil},
		figure{work, "bytes by the interfaces", kit.Target{}, []float64{interfaces}, nil},
		figure{work, "interfaces, times the metric", kit.Target{}, []float64{interfaces / metric}, nil},
		figure{work, "bytes a change by the metric", kit.Target{}, []float64{metric / float64(len(changes))}, nil},
		figure{work, "bytes a change by the interfaces", kit.Target{}, []float64{interfaces / float64(len(changes))}, nil},
	)
	return nil
}
