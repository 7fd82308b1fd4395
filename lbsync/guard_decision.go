package lbsync

import (
	"net/netip"
	"slices"
	"time"
)

// build makes the decision of the hosts as they stand.
func (g *guard) build(now time.Time) decision {
	d := decision{next: g.next(now), preserving: g.preserving()}
	d.servers = make([]Server, 0, g.size())
	d.hosts = make([]HostStatus, 0, len(g.order))
	for _, h := range g.sorted() {
		if h.inPool() {
			d.servers = append(d.servers, h.server)
		}
		d.hosts = append(d.hosts, g.status(now, h))
	}
	if !g.fallingBack() {
		g.fellBack = time.Time{}
		return d
	}
	if g.fellBack.IsZero() {
		g.fellBack = now
	}
	d.servers = g.policy.fallback // Never changed.
	d.hosts = g.withFallback(d.hosts)
	return d
}

func (g *guard) status(now time.Time, h *guardHost) HostStatus {
	s := HostStatus{
		Key: h.key, Addr: h.server.Addr, Verdict: h.verdict, Reason: h.reason, Since: h.since, Until: h.until,
	}
	if h.held() && g.frozen() || !h.until.After(now) { // It ends by news only.
		s.Until = time.Time{}
	}
	return s
}

// next is when time alone changes something.
func (g *guard) next(now time.Time) time.Time {
	var next time.Time
	at := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, h := range g.order {
		if h.stand == standDamped || !g.frozen() {
			at(h.until)
		}
		if _, asked := g.asked[h.server.Addr]; !asked && g.probes(h) {
			at(h.look)
		}
	}
	if len(g.outs) > 0 {
		at(g.outs[0].at.Add(outAge))
	}
	return next
}

// probes tells whether a look at the host could change anything: not while nothing is heard or listed.
func (g *guard) probes(h *guardHost) bool {
	return g.policy.probe && !g.frozen() && g.listed > 0 && h.probeable()
}

// nameProbes names the hosts whose look is due.
func (g *guard) nameProbes(now time.Time) []netip.AddrPort {
	var due []netip.AddrPort
	for _, h := range g.sorted() {
		addr := h.server.Addr
		if _, asked := g.asked[addr]; asked || !g.probes(h) || now.Before(h.look) {
			continue
		}
		g.asked[addr] = h.hold
		due = append(due, addr)
	}
	return due
}

// fallingBack tells whether the fallback servers are the pool. Before the registry was heard for the first time they are
// so only once it is known not to answer.
func (g *guard) fallingBack() bool {
	return g.size() == 0 && g.policy.onEmpty == OnEmptyFallback && (g.view > 0 || g.lost)
}

// withFallback adds the fallback servers to the hosts, in place of hosts with the same address that left.
func (g *guard) withFallback(hosts []HostStatus) []HostStatus {
	serving := map[netip.AddrPort]bool{}
	for _, s := range g.policy.fallback {
		serving[s.Addr] = true
	}
	hosts = slices.DeleteFunc(hosts, func(h HostStatus) bool { return serving[h.Addr] })
	for _, s := range g.policy.fallback {
		hosts = append(hosts, HostStatus{Addr: s.Addr, Verdict: VerdictFallback, Reason: reasonFallback, Since: g.fellBack})
	}
	slices.SortFunc(hosts, func(a, b HostStatus) int { return a.Addr.Compare(b.Addr) })
	return hosts
}
