package haproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rollcall/lbsync"
)

// liveTimeout bounds all commands of one Live or Plan. 4,000 servers added, which is 12,000 commands, take 2 s.
const liveTimeout = 30 * time.Second

// Live brings the running worker's servers to the file by commands. Removed servers are switched off at once and deleted
// when their connections have ended, which each call tries again.
//
// Without a runtime socket, and for a file that does not set proc.rollcall_gen, it is blind. Where nobody listens at
// the socket, nothing is running. When the structure differs, so that a reload will come, the servers are brought to
// the file all the same: the reload may fail, and the old worker serves some clients for a while after it.
func (d *Driver) Live(ctx context.Context, file []byte) (lbsync.Live, error) {
	want := d.modelOf(file)
	if d.runtime == nil || want.marker == "" {
		return lbsync.Live{Blind: true}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	live, err := d.bring(ctx, want)
	if errors.Is(err, errNotRunning) {
		return lbsync.Live{}, nil
	}
	if err != nil {
		return lbsync.Live{Running: true}, err
	}
	return live, nil
}

// passes is how often a worker is changed at most in one Live. A second time helps a server that could not be deleted and
// added again while it was the only one.
const passes = 2

// bring looks, changes, and looks again. Where the worker was seen a moment ago it changes first.
func (d *Driver) bring(ctx context.Context, want *model) (lbsync.Live, error) {
	made, reload, err := d.ahead(ctx, want)
	d.seen = sighting{}
	if err != nil {
		return lbsync.Live{}, err
	}
	run, p, err := d.compare(ctx, want)
	if err != nil {
		return lbsync.Live{}, err
	}
	if len(p.needed()) > 0 {
		reload = nil // It may have been refused because the worker has changed since; now it is asked again.
	}
	live := lbsync.Live{Running: true, Commands: made}
	for pass := 0; pass < passes && p.goesOn(pass, reload); pass++ {
		made, refused, err := p.apply(ctx, d.runtime, d.known)
		if err != nil {
			return lbsync.Live{}, err
		}
		live.Commands, reload = live.Commands+made, append(reload, refused...)
		if run, p, err = d.compare(ctx, want); err != nil {
			return lbsync.Live{}, err
		}
	}
	for _, c := range p.needed() {
		reload = append(reload, fmt.Sprintf("server %s is not as it should be after its commands", c.ref))
	}
	d.seen = sighting{run, time.Now()}
	live.Hot, live.Reload = d.hot(want, run), reasons(append(reload, p.reload...))
	old := d.oldWorkers(ctx)
	live.OldWorkers, live.Servers = len(old), served(want, run, old)
	return live, nil
}

// sightAge is how long it can be relied on that a worker is as it was seen. What somebody does to it meanwhile is seen
// after the commands.
const sightAge = 10 * time.Second

// A sighting is a worker at a moment.
type sighting struct {
	run *running // nil for none
	at  time.Time
}

// ahead sends the commands that a worker needs if it still is as it was seen last, and returns what it has refused. To
// look takes longer than to change where there are thousands of servers, and one look afterwards tells all.
func (d *Driver) ahead(ctx context.Context, want *model) (made int, refused []string, err error) {
	if d.seen.run == nil || time.Since(d.seen.at) > sightAge || !d.hot(want, d.seen.run) {
		return 0, nil, nil
	}
	p := newPlan(want, d.seen.run, d.known, d.conf.Services)
	if len(p.reload) > 0 {
		return 0, nil, nil
	}
	p.changes = p.needed() // Sweeps can wait for what is seen next.
	rest := slices.IndexFunc(p.changes, func(c change) bool { return c.kind != add })
	if rest < 0 {
		return p.apply(ctx, d.runtime, d.known)
	}
	if slices.ContainsFunc(p.changes, func(c change) bool { return c.kind == swap }) {
		return 0, nil, nil
	}
	made, refused, err = plan{changes: p.changes[:rest]}.apply(ctx, d.runtime, d.known)
	if err != nil {
		return made, refused, err
	}
	// What these are refused for is seen afterwards, if it matters: the server may have gone.
	more, _, err := plan{changes: p.changes[rest:]}.apply(ctx, d.runtime, d.known)
	return made + more, refused, err
}

// goesOn tells whether there is something to do: everything at first, and later what is needed, unless HAProxy has
// refused a command.
func (p plan) goesOn(pass int, refused []string) bool {
	if pass == 0 {
		return len(p.changes) > 0
	}
	return len(p.needed()) > 0 && len(refused) == 0
}

// compare asks the worker and makes a plan.
func (d *Driver) compare(ctx context.Context, want *model) (*running, plan, error) {
	run, err := readWorker(ctx, d.runtime)
	if err != nil {
		return nil, plan{}, err
	}
	d.known.meet(run, d.conf.Config)
	return run, newPlan(want, run, d.known, d.conf.Services), nil
}

// hot tells whether servers come and go here without a reload.
func (d *Driver) hot(want *model, run *running) bool {
	for _, b := range want.backends {
		if d.known.refused[b.name] != "" {
			return false
		}
	}
	return want.marker == run.marker
}

// Plan says what Live would do.
func (d *Driver) Plan(ctx context.Context, file []byte) (lbsync.Plan, error) {
	want := d.modelOf(file)
	if d.runtime == nil || want.marker == "" {
		return lbsync.Plan{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	_, p, err := d.compare(ctx, want)
	if errors.Is(err, errNotRunning) {
		return lbsync.Plan{}, nil
	}
	if err != nil {
		return lbsync.Plan{Running: true}, err
	}
	return lbsync.Plan{Running: true, Commands: p.commands(), Reload: reasons(p.reload)}, nil
}

// served lists the servers of the file's backends: those that run, and those at which only old workers still have
// requests.
func served(want *model, run *running, old []oldWorker) []lbsync.Served {
	sessions := map[ref]int{}
	for _, w := range old {
		for at, n := range w.sessions {
			sessions[at] += n
		}
	}
	list := make([]lbsync.Served, 0, run.count())
	for _, b := range want.backends {
		see := func(s *runningServer, leaving bool) {
			if b.fixed[s.server] || !s.addr.IsValid() {
				return
			}
			list = append(list, lbsync.Served{
				Service: b.name, Addr: s.addr, State: s.state(), Leaving: leaving,
				Sessions: s.sessions + sessions[s.ref], Health: s.health,
			})
		}
		wanted := make(map[string]bool, len(b.servers))
		for _, line := range b.servers { // In the file's order, which is mostly that of the list.
			wanted[line.name] = true
			if s := run.backends[b.name][line.name]; s != nil {
				see(s, false)
			}
		}
		for name, s := range run.backends[b.name] {
			if !wanted[name] {
				see(s, true)
			}
		}
	}
	list = append(list, onlyOld(want, run, sessions)...)
	order := func(a, b lbsync.Served) int { return cmp.Or(cmp.Compare(a.Service, b.Service), a.Addr.Compare(b.Addr)) }
	if !slices.IsSortedFunc(list, order) {
		slices.SortFunc(list, order)
	}
	return list
}

// onlyOld lists servers that the running worker does not have any more.
func onlyOld(want *model, run *running, sessions map[ref]int) []lbsync.Served {
	var list []lbsync.Served
	for _, b := range want.backends {
		for at, n := range sessions {
			addr, err := addrOfName(at.server)
			if err != nil || n == 0 || at.backend != b.name || run.backends[b.name][at.server] != nil {
				continue
			}
			list = append(list, lbsync.Served{
				Service: b.name, Addr: addr, State: lbsync.Down, Leaving: true, Sessions: n, Health: "unknown",
			})
		}
	}
	return list
}
