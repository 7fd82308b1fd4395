package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// changePeriod is the time between two changes.
	changePeriod = 200 * time.Millisecond
	// postFailures is the share of POSTs on kept connections that nginx 1.22 loses when it exchanges its workers, and that
	// no reload can avoid.
	postFailures = 0.5
	// planSeed makes all kinds of clients see the same changes.
	planSeed = 1
)

// The balancers of the row, as the report shows them.
const (
	nameHAProxy      = "HAProxy, lbsync"
	nameNginx        = "nginx, lbsync"
	nameConfdHAProxy = "HAProxy, confd's way"
	nameConfdNginx   = "nginx, confd's way"
)

// A result is what one balancer did during the changes.
type result struct {
	balancer balancer
	outcome  outcome
	reloads  int
	joins    []time.Duration // from a PUT to the host's first request
	leaves   []time.Duration // from a DELETE to the host's last request
}

// runChanges is the row of changes under load: for each kind of client, hosts come and go while four balancers are asked.
func runChanges(ctx context.Context, b *bench, rep *report) error {
	details := kit.Table{
		Title: "Changes under load, by clients and balancer",
		Head: []string{
			"clients", "balancer", "requests", "failed", "sent again", "why", "reloads",
			"join p50, ms", "p99", "leave p50, ms", "p99",
		},
	}
	l, err := b.newLineUp(ctx)
	if err != nil {
		return err
	}
	defer l.rig.stop()
	for _, k := range kinds()[:b.kinds] {
		b.say("changes: %s", k.name)
		results, err := l.changesFor(ctx, b, k)
		if err != nil {
			return err
		}
		for _, r := range results {
			details.Add(k.name, r.balancer.name, strconv.Itoa(r.outcome.requests), strconv.Itoa(r.outcome.failures()),
				strconv.Itoa(r.outcome.retried), reasons(r.outcome.failed), strconv.Itoa(r.reloads),
				kit.Number(percentile(r.joins, 50)), kit.Number(percentile(r.joins, 99)),
				kit.Number(percentile(r.leaves, 50)), kit.Number(percentile(r.leaves, 99)))
			rep.add(changeFigures(b.changes, k, r)...)
		}
	}
	rep.tables = append(rep.tables, details)
	return nil
}

// changeFigures are those with a target: of the balancers that lbsync keeps.
func changeFigures(changes int, k kind, r result) []figure {
	work := fmt.Sprintf("%d changes, 5/s: %s", changes, k.name)
	of := r.balancer.name
	failed := figure{work, of, "failed requests", kit.AtMost(0), float64(r.outcome.failures())}
	switch {
	case of == nameHAProxy:
		return []figure{failed, {work, of, "reloads", kit.AtMost(0), float64(r.reloads)}}
	case of == nameNginx && k.body != "":
		share := 100 * float64(r.outcome.failures()) / float64(r.outcome.requests)
		return []figure{{work, of, "failed requests, %", kit.AtMost(postFailures), share}}
	case of == nameNginx:
		return []figure{failed}
	default:
		return nil
	}
}

// A lineUp is the four balancers of the row, with their hosts.
type lineUp struct {
	rig    *rig
	addrs  []string
	all    []balancer
	confds []confd
}

func (b *bench) newLineUp(ctx context.Context) (*lineUp, error) {
	port, err := ports.Free(ctx)
	if err != nil {
		return nil, err
	}
	l := &lineUp{addrs: addresses(1, changeHosts, port)}
	if l.rig, err = b.newRig(ctx, setting{name: "changes", addrs: l.addrs}); err != nil {
		return nil, err
	}
	if err := l.open(ctx, b); err != nil {
		l.rig.stop()
		return nil, err
	}
	return l, nil
}

// open starts the balancers of confd's way.
func (l *lineUp) open(ctx context.Context, b *bench) error {
	h, n, err := l.rig.startBalancers(ctx, b, "confd", false, l.addrs)
	if err != nil {
		return err
	}
	l.confds = []confd{l.rig.confdHAProxy(h), l.rig.confdNginx(n)}
	l.all = []balancer{
		{nameHAProxy, l.rig.haproxy.addr, l.rig.haproxy.reloads},
		{nameConfdHAProxy, h.addr, h.reloads},
		{nameNginx, l.rig.nginx.addr, l.rig.nginx.reloads},
		{nameConfdNginx, n.addr, n.reloads},
	}
	return nil
}

// changesFor does all changes under the load of one kind of client. All hosts are in at the beginning.
func (l *lineUp) changesFor(ctx context.Context, b *bench, k kind) ([]result, error) {
	for _, h := range l.rig.hosts {
		if err := l.rig.apply(ctx, h, true); err != nil {
			return nil, err
		}
	}
	polls, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	for _, c := range l.confds {
		group.Go(func() error { return c.run(polls) })
	}
	err := l.rig.converge(ctx, l.addrs)
	if err == nil {
		err = kit.Pause(ctx, b.calm) // For confd's way.
	}
	var results []result
	if err == nil {
		results, err = l.rig.underLoad(ctx, b, k, l.all, func(results []result) error {
			return l.rig.doChanges(ctx, b.changes, results)
		})
	}
	stop()
	if pollErr := group.Wait(); err == nil {
		err = pollErr
	}
	return results, err
}

// underLoad does some work while clients ask all balancers, and returns what each of these did.
func (r *rig) underLoad(ctx context.Context, b *bench, k kind, all []balancer, work func([]result) error) ([]result, error) {
	results := make([]result, len(all))
	load, stop := context.WithCancel(ctx)
	defer stop()
	var clients sync.WaitGroup
	for i, one := range all {
		before, err := one.reloads(ctx)
		if err != nil {
			return nil, err
		}
		results[i] = result{balancer: one, reloads: -before}
		clients.Go(func() { results[i].outcome = k.run(load, one) })
	}
	err := kit.Pause(ctx, b.warmUp)
	if err == nil {
		err = work(results)
	}
	if err == nil {
		err = kit.Pause(ctx, b.warmUp)
	}
	stop()
	clients.Wait()
	for i := range results {
		after, reloadsErr := results[i].balancer.reloads(ctx)
		if err == nil {
			err = reloadsErr
		}
		results[i].reloads += after
	}
	return results, err
}

// A lastChange is when a host has changed last, and how.
type lastChange struct {
	at time.Time
	in bool
}

// doChanges takes hosts out and in, and notes at the next change of each, or some time after the last one, what came of it.
func (r *rig) doChanges(ctx context.Context, n int, results []result) error {
	last := map[int]lastChange{}
	start := time.Now()
	for i, c := range planChanges(n, planSeed) {
		if err := kit.Pause(ctx, time.Until(start.Add(time.Duration(i)*changePeriod))); err != nil {
			return err
		}
		visits := r.witness.turn(r.hosts[c.host].addr)
		if then, changed := last[c.host]; changed {
			note(results, then, visits)
		}
		last[c.host] = lastChange{time.Now(), c.in}
		if err := r.apply(ctx, r.hosts[c.host], c.in); err != nil {
			return err
		}
	}
	if err := kit.Pause(ctx, reuseAfter); err != nil {
		return err
	}
	for i, then := range last {
		note(results, then, r.witness.turn(r.hosts[i].addr))
	}
	return nil
}

// apply changes the registry. A host is up before it registers, and long enough after it has gone.
func (r *rig) apply(ctx context.Context, h *host, in bool) error {
	if !in {
		h.leave(ctx)
		return r.registry.remove(ctx, h.addr)
	}
	if err := h.enter(ctx); err != nil {
		return err
	}
	return r.registry.put(ctx, h.addr, 0)
}

// note adds the time from a change to its effect, by balancer. A host without a request has left at once, or has not been
// seen to join before it left again, which counts for nothing.
func note(results []result, change lastChange, visits map[string]visit) {
	for i := range results {
		r := &results[i]
		v, seen := visits[r.balancer.name]
		switch {
		case change.in && seen:
			r.joins = append(r.joins, v.first.Sub(change.at))
		case !change.in && seen:
			r.leaves = append(r.leaves, v.last.Sub(change.at))
		case !change.in:
			r.leaves = append(r.leaves, 0)
		}
	}
}

// reasons lists why requests failed.
func reasons(failed map[string]int) string {
	var all []string
	for _, why := range slices.Sorted(maps.Keys(failed)) {
		all = append(all, fmt.Sprintf("%d × %s", failed[why], why))
	}
	return strings.Join(all, ", ")
}
