package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
)

// A pacing is a steady load, whatever the servers do: request i is due i/rate seconds after the start, on connection i
// modulo their number. One that is late because the connection was busy is sent at once.
type pacing struct {
	wires wires
	rate  int
	of    func(i int) request
}

// A timing is when request i was sent and how long its answer took.
type timing struct {
	i    int
	at   time.Time
	took time.Duration
}

// run sends until ctx ends. A request that is under way then is finished all the same. It fails when the rate was not
// nearly kept: the figures would be those of another load.
func (p pacing) run(ctx context.Context) ([]timing, error) {
	start := time.Now()
	found := make([][]timing, len(p.wires))
	// Not errgroup.WithContext's context: an error on one connection shall not look like the end of the turn.
	var group errgroup.Group
	for k, w := range p.wires {
		group.Go(func() error {
			for i := k; ; i += len(p.wires) {
				due := start.Add(time.Duration(i) * time.Second / time.Duration(p.rate))
				if !waitUntil(ctx, due) {
					return nil
				}
				at := time.Now()
				if err := w.do(p.of(i)); err != nil {
					return err
				}
				found[k] = append(found[k], timing{i, at, time.Since(at)})
			}
		})
	}
	err := group.Wait()
	elapsed := time.Since(start)
	var all []timing
	for _, some := range found {
		all = append(all, some...)
	}
	if want := elapsed.Seconds() * float64(p.rate); err == nil && float64(len(all)) < 0.9*want {
		err = fmt.Errorf("%w: %d requests were done of %.0f that were due", errDisturbed, len(all), want)
	}
	return all, err
}

// runFor is run for some time.
func (p pacing) runFor(ctx context.Context, d time.Duration) ([]timing, error) {
	turn, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	all, err := p.run(turn)
	if err == nil {
		err = ctx.Err()
	}
	return all, err
}

// waitUntil waits until a time; it may have passed. It reports false if ctx ended first.
func waitUntil(ctx context.Context, t time.Time) bool {
	if d := time.Until(t); d > 0 {
		return kit.Pause(ctx, d) == nil
	}
	return ctx.Err() == nil
}

// doAll does n requests as fast as the connections can, request i on connection i modulo their number.
func (all wires) doAll(n int, of func(i int) request) error {
	var group errgroup.Group
	for k, w := range all {
		group.Go(func() error {
			for i := k; i < n; i += len(all) {
				if err := w.do(of(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
