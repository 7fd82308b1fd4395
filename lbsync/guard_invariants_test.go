package lbsync

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// check asks for the decision and compares it with the one before.
func (m *guardModel) check(t *rapid.T, step string) {
	d := m.g.decide(m.now)
	m.checkAgain(t, d)
	m.checkShape(t, d)
	pool := map[netip.AddrPort]Server{}
	for _, s := range d.servers {
		pool[s.Addr] = s
	}
	if m.fallingBack(d) {
		clear(pool)
	}
	m.checkListed(t, d, pool)
	m.checkEmpty(t, step, d, pool)
	m.checkUnlisted(t, step, pool)
	m.checkDeleted(t, pool)
	m.sizes = append(m.sizes, sizeAt{m.now, len(pool)})
	m.checkExpiries(t, d, pool)
	m.checkMinimum(t, step, pool)
	for _, a := range d.probes {
		if slices.Contains(m.asked, a) {
			t.Fatalf("%v is asked for twice", a)
		}
		m.asked = append(m.asked, a)
	}
	d.probes = nil
	m.last, m.pool, m.deleted = d, pool, nil
	m.had = m.had || len(pool) > 0
}

func (m *guardModel) checkAgain(t *rapid.T, d decision) {
	if again := m.g.decide(m.now); !sameDecision(d, again) || len(again.probes) > 0 {
		t.Fatalf("decided otherwise at the same time:\n%s", diffDecisions(d, again))
	}
	m.g.dirty = true
	if again := m.g.decide(m.now); !sameDecision(d, again) || len(again.probes) > 0 {
		t.Fatalf("decided anew otherwise at the same time:\n%s", diffDecisions(d, again))
	}
}

// checkShape sees that servers and hosts are sorted and say the same, and that the guard's counts are right.
func (m *guardModel) checkShape(t *rapid.T, d decision) {
	var in []netip.AddrPort
	for i, h := range d.hosts {
		if i > 0 && d.hosts[i-1].Addr.Compare(h.Addr) >= 0 {
			t.Fatalf("hosts out of order: %v", d.hosts)
		}
		if h.Verdict != VerdictOut && h.Verdict != VerdictDamped {
			in = append(in, h.Addr)
		}
		if h.Since.After(m.now) || h.Reason == "" || !h.Until.IsZero() && !h.Until.After(m.now) {
			t.Fatalf("at %v: %+v", m.now, h)
		}
	}
	var servers []netip.AddrPort
	for _, s := range d.servers {
		servers = append(servers, s.Addr)
	}
	if !slices.Equal(in, servers) {
		t.Fatalf("servers %v, hosts in the pool %v", servers, in)
	}
	var counts [standLast + 1]int
	for _, h := range m.g.hosts {
		counts[h.stand]++
	}
	if counts != m.g.counts || len(m.g.order) != len(m.g.hosts) {
		t.Fatalf("counts %v, really %v; %d in order, %d hosts", m.g.counts, counts, len(m.g.order), len(m.g.hosts))
	}
	held := slices.ContainsFunc(d.hosts, func(h HostStatus) bool { return h.Verdict == VerdictHeld })
	if held != (d.preserving != "") {
		t.Fatalf("held %v, preserving %q", held, d.preserving)
	}
}

func (m *guardModel) fallingBack(d decision) bool {
	return slices.ContainsFunc(d.hosts, func(h HostStatus) bool { return h.Verdict == VerdictFallback })
}

func verdicts(d decision) map[netip.AddrPort]Verdict {
	of := map[netip.AddrPort]Verdict{}
	for _, h := range d.hosts {
		of[h.Addr] = h.Verdict
	}
	return of
}

// checkListed: a listed host is in the pool with the listed values, or damped.
func (m *guardModel) checkListed(t *rapid.T, d decision, pool map[netip.AddrPort]Server) {
	of := verdicts(d)
	if m.lost || !m.heard {
		return
	}
	for key, s := range m.entries {
		got, in := pool[s.Addr]
		switch v := of[s.Addr]; {
		case m.p.damping && v == VerdictDamped && !in:
		case v != map[State]Verdict{Up: VerdictIn, Drain: VerdictDraining, Down: VerdictDown}[s.State], !in, got != s:
			t.Fatalf("%s is listed as %v: verdict %q, in the pool %v as %v", key, s, v, in, got)
		case m.g.keyOf(s.Addr) != key:
			t.Fatalf("%v has the key %q, want %q", s.Addr, m.g.keyOf(s.Addr), key)
		}
	}
}

// checkEmpty: a pool is empty only by the policy, and never for want of damped hosts.
func (m *guardModel) checkEmpty(t *rapid.T, step string, d decision, pool map[netip.AddrPort]Server) {
	keeps := m.p.onEmpty == "" || m.p.onEmpty == OnEmptyKeep
	heard := m.heard || m.lost
	switch {
	case len(pool) > 0:
	case keeps && m.had:
		t.Fatalf("%s emptied the pool", step)
	case slices.Contains(slices.Collect(maps.Values(verdicts(d))), VerdictDamped):
		t.Fatal("a host is damped although nothing else is there")
	case m.p.onEmpty == OnEmptyFallback && heard != m.fallingBack(d):
		t.Fatalf("heard %v, falling back %v", heard, m.fallingBack(d))
	}
	for addr := range pool {
		if v := verdicts(d)[addr]; v == VerdictFallback {
			t.Fatal("a fallback server beside others")
		}
	}
}

// checkUnlisted: an unlisted host in the pool is as it was, and while the registry is not heard nothing leaves.
func (m *guardModel) checkUnlisted(t *rapid.T, step string, pool map[netip.AddrPort]Server) {
	listed := map[netip.AddrPort]bool{}
	for _, s := range m.entries {
		listed[s.Addr] = true
	}
	for addr, s := range pool {
		if was := m.pool[addr]; !listed[addr] && step != "remember" && s != was {
			t.Fatalf("%s: %v is not listed and has become %v from %v", step, addr, s, was)
		}
	}
	for addr := range m.pool {
		if _, in := pool[addr]; !in && (m.lost || !m.heard) && step != "release" {
			t.Fatalf("%s removed %v while the registry was not heard", step, addr)
		}
	}
}

// checkDeleted: what was deleted is out, unless all that is left is the pool before.
func (m *guardModel) checkDeleted(t *rapid.T, pool map[netip.AddrPort]Server) {
	for addr := range m.deleted {
		if _, in := pool[addr]; in && !maps.Equal(pool, m.pool) {
			t.Fatalf("%v was deleted and is in the pool %v, which was %v", addr, pool, m.pool)
		}
	}
	for _, s := range m.entries {
		if _, in := pool[s.Addr]; !in {
			continue
		}
		for addr := range m.deleted {
			if _, in := pool[addr]; in {
				t.Fatalf("%v was deleted and is in the pool with the listed %v", addr, s.Addr)
			}
		}
	}
}

// checkExpiries: those that left by expiry within a window are no more than the share of the largest pool in it.
func (m *guardModel) checkExpiries(t *rapid.T, d decision, pool map[netip.AddrPort]Server) {
	for _, h := range d.hosts {
		expired := strings.HasPrefix(h.Reason, "lease expired") || strings.HasPrefix(h.Reason, reasonRejected)
		_, was := m.pool[h.Addr]
		if _, in := pool[h.Addr]; was && !in && h.Verdict == VerdictOut && expired {
			m.expiries = append(m.expiries, m.now)
		}
	}
	if m.p.maxLoss >= 1 {
		return
	}
	start := m.now.Add(-m.p.lossWindow)
	passed, peak := 0, 0
	for _, at := range m.expiries {
		if at.After(start) {
			passed++
		}
	}
	for i, s := range m.sizes {
		if i+1 == len(m.sizes) || m.sizes[i+1].at.After(start) {
			peak = max(peak, s.size)
		}
	}
	budget := max(1, int(math.Floor(m.p.maxLoss*float64(peak)+1e-9)))
	if passed > budget && m.expiries[len(m.expiries)-1].Equal(m.now) {
		t.Fatalf("%d expiries passed within %v, %d may of %d", passed, m.p.lossWindow, budget, peak)
	}
}

// checkMinimum: what leaves neither on purpose nor as one of the last leaves min_servers.
func (m *guardModel) checkMinimum(t *rapid.T, step string, pool map[netip.AddrPort]Server) {
	lasts := strings.Contains(m.last.preserving, "the last ones")
	if step == "release" || step == "list" || step == "swap" || lasts || len(m.deleted) > 0 || m.p.minServers == 0 {
		return
	}
	if len(pool) < len(m.pool) && len(pool) < m.p.minServers && !slices.Contains(slices.Collect(maps.Values(m.cause)), causeDeleted) {
		t.Fatalf("%s: %d servers, min_servers is %d", step, len(pool), m.p.minServers)
	}
}

func sameDecision(a, b decision) bool {
	return slices.Equal(a.servers, b.servers) && slices.Equal(a.hosts, b.hosts) && a.next.Equal(b.next) && a.preserving == b.preserving
}

func diffDecisions(a, b decision) string {
	return cmp.Diff(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b))
}
