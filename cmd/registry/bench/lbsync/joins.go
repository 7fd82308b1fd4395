package main

import (
	"context"
	"fmt"
	"time"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// joinHosts are always in, so that a new one gets a good share of the requests.
	joinHosts = 3
	// streamStay is for how many joins of the stream a host stays in.
	streamStay = 6
	// joinLimit is for the first request at a new host.
	joinLimit = 10 * time.Second

	joinBoundHAProxy = 300
	joinBoundNginx   = 1500
)

// runJoins is the row of new hosts: how long until they get their first request, after calm and within a stream of
// changes.
func runJoins(ctx context.Context, b *bench, rep *report) error {
	port, err := ports.Free(ctx)
	if err != nil {
		return err
	}
	base := addresses(1, joinHosts, port)
	r, err := b.newRig(ctx, setting{name: "joins", addrs: base, port: port})
	if err != nil {
		return err
	}
	defer r.stop()
	both := []balancer{
		{nameHAProxy, r.haproxy.addr, r.haproxy.reloads},
		{nameNginx, r.nginx.addr, r.nginx.reloads},
	}
	for _, part := range []struct {
		work string
		do   func(context.Context, *bench, []string, []result) error
		join []string
	}{
		{"a host joins after calm", r.joinOneByOne, addresses(2, b.joins, port)},
		{"a host joins in a stream of 5 changes/s", r.joinInStream, addresses(3, b.joins, port)},
	} {
		b.say("joins: %s", part.work)
		results, err := r.underLoad(ctx, b, kinds()[0], both, func(results []result) error {
			return part.do(ctx, b, part.join, results)
		})
		if err != nil {
			return err
		}
		rep.add(joinFigures(part.work, results)...)
	}
	return nil
}

func joinFigures(work string, results []result) []figure {
	var all []figure
	for i, bound := range []float64{joinBoundHAProxy, joinBoundNginx} {
		r := results[i]
		of := r.balancer.name
		all = append(all,
			figure{work, of, fmt.Sprintf("p50 of %d, ms", len(r.joins)), kit.AtMost(bound), percentile(r.joins, 50)},
			figure{work, of, "p99, ms", kit.AtMost(bound), percentile(r.joins, 99)},
			figure{work, of, "failed requests", kit.Target{}, float64(r.outcome.failures())})
	}
	return all
}

// joinOneByOne has each host join alone, and takes it out again.
func (r *rig) joinOneByOne(ctx context.Context, b *bench, hosts []string, results []result) error {
	for _, addr := range hosts {
		if err := kit.Pause(ctx, b.calm); err != nil {
			return err
		}
		at := time.Now()
		if err := r.registry.put(ctx, addr, 0); err != nil {
			return err
		}
		if err := r.awaitFirst(ctx, addr, at, results); err != nil {
			return err
		}
		if err := r.registry.remove(ctx, addr); err != nil {
			return err
		}
	}
	return nil
}

// awaitFirst waits for a host's first request from every balancer.
func (r *rig) awaitFirst(ctx context.Context, addr string, at time.Time, results []result) error {
	for i := range results {
		name := results[i].balancer.name
		err := pollUntil(ctx, time.Millisecond, joinLimit, "the first request from "+name, func() (bool, error) {
			return !r.witness.first(addr, name).IsZero(), nil
		})
		if err != nil {
			return fmt.Errorf("%w; lbsync said: %s", err, kit.Tail(r.lbsync.log))
		}
		results[i].joins = append(results[i].joins, r.witness.first(addr, name).Sub(at))
	}
	return nil
}

// joinInStream has a host join and another one leave in turn.
func (r *rig) joinInStream(ctx context.Context, b *bench, hosts []string, results []result) error {
	joined := map[string]time.Time{}
	start := time.Now()
	for i := range len(hosts) + b.stay {
		due := start.Add(time.Duration(i) * 2 * changePeriod)
		if err := kit.Pause(ctx, time.Until(due)); err != nil {
			return err
		}
		if i < len(hosts) {
			joined[hosts[i]] = time.Now()
			if err := r.registry.put(ctx, hosts[i], 0); err != nil {
				return err
			}
		}
		if err := kit.Pause(ctx, time.Until(due.Add(changePeriod))); err != nil {
			return err
		}
		if leaves := i - b.stay; leaves >= 0 {
			if err := r.registry.remove(ctx, hosts[leaves]); err != nil {
				return err
			}
			if err := r.awaitFirst(ctx, hosts[leaves], joined[hosts[leaves]], results); err != nil {
				return err
			}
		}
	}
	return nil
}
