package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// deathHosts is so many that the deaths of the row are no mass loss, which lbsync would hold.
	deathHosts = 100
	// deathTTL is the lease of each, deathBeat how often it is renewed.
	deathTTL  = 2 * time.Second
	deathBeat = 500 * time.Millisecond
	// deathLimit is for a dead host to be out.
	deathLimit = 15 * time.Second
	// deathPause is the time before each death; before the first, all hosts get their short lease.
	deathPause = time.Second

	deathBoundHAProxy = 3000
	deathBoundNginx   = 3500
)

// runDeaths is the row of hosts that die without a word: how long they stay in a balancer's pool, from the end of their
// last heartbeat.
func runDeaths(ctx context.Context, b *bench, rep *report) error {
	port, err := ports.Free(ctx)
	if err != nil {
		return err
	}
	addrs := addresses(1, deathHosts, port)
	r, err := b.newRig(ctx, setting{name: "deaths", addrs: addrs, ttl: firstTTL})
	if err != nil {
		return err
	}
	defer r.stop()
	beats, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	g := &grave{dead: map[string]bool{}}
	group.Go(func() error { return r.registry.beat(beats, addrs, deathTTL, deathBeat, g.alive) })
	results := []result{{balancer: balancer{name: nameHAProxy}}, {balancer: balancer{name: nameNginx}}}
	for i := 0; i < b.deaths && err == nil; i++ {
		err = r.kill(ctx, r.hosts[i], g, results)
	}
	stop()
	if beatErr := group.Wait(); err == nil {
		err = beatErr
	}
	if err != nil {
		return err
	}
	for i, bound := range []float64{deathBoundHAProxy, deathBoundNginx} {
		of, out := results[i].balancer.name, results[i].leaves
		work := fmt.Sprintf("a host dies, TTL %s", deathTTL)
		rep.add(figure{work, of, fmt.Sprintf("out of the pool, p50 of %d, ms", len(out)), kit.AtMost(bound), percentile(out, 50)},
			figure{work, of, "the longest, ms", kit.AtMost(bound), milliseconds(slices.Max(out))})
	}
	return nil
}

// A grave knows who is dead. It is safe for concurrent use.
type grave struct {
	mu   sync.Mutex // guards dead
	dead map[string]bool
}

func (g *grave) alive(addr string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.dead[addr]
}

func (g *grave) bury(addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead[addr] = true
}

// kill ends a host right after a heartbeat, which is the worst moment, and waits until both balancers are without it.
func (r *rig) kill(ctx context.Context, h *host, g *grave, results []result) error {
	if err := kit.Pause(ctx, deathPause); err != nil {
		return err
	}
	g.bury(h.addr)
	if err := r.registry.put(ctx, h.addr, deathTTL); err != nil {
		return err
	}
	h.close()
	died := time.Now()
	var group errgroup.Group
	for i, pool := range []func(context.Context) (map[string]bool, error){r.haproxy.pool, r.nginx.pool} {
		group.Go(func() error {
			what := "a dead host is out of " + results[i].balancer.name
			err := pollUntil(ctx, 10*time.Millisecond, deathLimit, what, func() (bool, error) {
				got, err := pool(ctx)
				return err == nil && !got[h.addr], err
			})
			results[i].leaves = append(results[i].leaves, time.Since(died))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%w; lbsync said: %s", err, kit.Tail(r.lbsync.log))
	}
	return nil
}
