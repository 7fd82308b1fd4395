package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// maxLarge is how many active servers HAProxy's round robin takes.
	maxLarge = 4095
	// largeLimit is for one change to be applied.
	largeLimit = 15 * time.Second

	largeBoundHAProxy = 100
	largeBoundNginx   = 500

	kindHAProxy = "haproxy"
	kindNginx   = "nginx"
)

// runLarge is the row of a large pool: how long one more host takes, from the PUT to the balancer's own word.
func runLarge(ctx context.Context, b *bench, rep *report) error {
	port, err := ports.Free(ctx)
	if err != nil {
		return err
	}
	all := addresses(1, b.large+2*b.steps, port)
	r, err := b.newRig(ctx, setting{name: "large", addrs: all[:b.large], port: port})
	if err != nil {
		return err
	}
	defer r.stop()
	seen := []result{{balancer: balancer{name: nameHAProxy}}, {balancer: balancer{name: nameNginx}}}
	for _, addr := range all[b.large:][:b.steps] {
		if err := kit.Pause(ctx, b.calm); err != nil {
			return err
		}
		if err := r.addSeen(ctx, addr, seen); err != nil {
			return err
		}
	}
	own := map[string][]time.Duration{}
	for _, addr := range all[b.large+b.steps:] {
		if err := kit.Pause(ctx, b.calm); err != nil {
			return err
		}
		if err := r.addAlone(ctx, addr, own); err != nil {
			return err
		}
	}
	work := fmt.Sprintf("one host more than %d", b.large)
	for i, bound := range []float64{largeBoundHAProxy, largeBoundNginx} {
		of, joins, times := seen[i].balancer.name, seen[i].joins, own[[]string{kindHAProxy, kindNginx}[i]]
		rep.add(figure{work, of, fmt.Sprintf("in the pool, p50 of %d, ms", len(joins)), kit.AtMost(bound), percentile(joins, 50)},
			figure{work, of, "p99, ms", kit.AtMost(bound), percentile(joins, 99)},
			figure{work, of, "lbsync's own time, p50, ms", kit.AtMost(bound), percentile(times, 50)},
			figure{work, of, "lbsync's own time, p99, ms", kit.AtMost(bound), percentile(times, 99)})
	}
	return nil
}

// addSeen registers a host and notes when each balancer shows it. Who looks takes much of the balancers' time.
func (r *rig) addSeen(ctx context.Context, addr string, results []result) error {
	known, err := r.nginx.generation(ctx)
	if err != nil {
		return err
	}
	return r.observeOne(ctx, addr, known, results)
}

// addAlone registers a host that nobody looks for, and notes how long it took by lbsync's own account.
func (r *rig) addAlone(ctx context.Context, addr string, own map[string][]time.Duration) error {
	before, err := r.readOwn(ctx)
	if err != nil {
		return err
	}
	if err := r.registry.put(ctx, addr, 0); err != nil {
		return err
	}
	for _, kind := range []string{kindHAProxy, kindNginx} {
		took, err := r.ownSince(ctx, before, kind)
		if err != nil {
			return err
		}
		own[kind] = append(own[kind], took)
	}
	return nil
}

// observeOne registers a host and notes when each balancer has it. known is nginx's generation before.
func (r *rig) observeOne(ctx context.Context, addr, known string, results []result) error {
	at := time.Now()
	if err := r.registry.put(ctx, addr, 0); err != nil {
		return err
	}
	var group errgroup.Group
	for i, serves := range []func() (bool, error){
		func() (bool, error) { return r.haproxy.serves(ctx, addr) },
		func() (bool, error) { return r.nginx.serves(ctx, addr, known) },
	} {
		group.Go(func() error {
			what := "one more host in " + results[i].balancer.name
			err := pollUntil(ctx, 5*time.Millisecond, largeLimit, what, serves)
			results[i].joins = append(results[i].joins, time.Since(at))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%w; lbsync said: %s", err, kit.Tail(r.lbsync.log))
	}
	return nil
}
