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

// bring looks, changes, and looks again.
func (d *Driver) bring(ctx context.Context, want *model) (lbsync.Live, error) {
	run, p, err := d.compare(ctx, want)
	if err != nil {
		return lbsync.Live{}, err
	}
	live := lbsync.Live{Running: true}
	var reload []string
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
	live.Hot, live.Reload = d.hot(want, run), reasons(append(reload, p.reload...))
	old := d.oldWorkers(ctx)
	live.OldWorkers, live.Servers = len(old), served(want, run, old)
	return live, nil
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
	list := []lbsync.Served{}
	for _, b := range want.backends {
		wanted := map[string]bool{}
		for _, s := range b.servers {
			wanted[s.name] = true
		}
		for name, s := range run.backends[b.name] {
			if b.fixed[name] || !s.addr.IsValid() {
				continue
			}
			list = append(list, lbsync.Served{
				Service: b.name, Addr: s.addr, State: s.state(), Leaving: !wanted[name],
				Sessions: s.sessions + sessions[s.ref], Health: s.health,
			})
		}
	}
	list = append(list, onlyOld(want, run, sessions)...)
	slices.SortFunc(list, func(a, b lbsync.Served) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), a.Addr.Compare(b.Addr))
	})
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
