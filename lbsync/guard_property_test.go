package lbsync

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestGuardProperties runs random histories and checks the promises after every step.
func TestGuardProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newGuardModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"list":    m.list,
			"lose":    m.lose,
			"swap":    m.swap,
			"pass":    m.pass,
			"answer":  m.answer,
			"release": m.release,
			"contact": m.contact,
			"flap":    m.flap,
			"wipe":    m.wipe,
		})
	})
}

// guardModel is a registry of a dozen hosts, and what the guard's decisions were so far.
type guardModel struct {
	p       policy
	g       *guard
	now     time.Time
	entries map[string]Server // the usable ones
	cause   map[string]cause
	asked   []netip.AddrPort
	lost    bool
	heard   bool

	last     decision
	pool     map[netip.AddrPort]Server // the latest pool without fallback servers
	had      bool                      // the pool was not empty once
	deleted  map[netip.AddrPort]bool   // by the latest step
	expiries []time.Time               // that have passed
	sizes    []sizeAt
}

type sizeAt struct {
	at   time.Time
	size int
}

const modelHosts = 12

func newGuardModel(t *rapid.T) *guardModel {
	p := policy{
		maxLoss:    rapid.SampledFrom([]float64{0, 0.15, 0.3, 0.5, 1}).Draw(t, "max loss"),
		lossWindow: rapid.SampledFrom([]time.Duration{10 * time.Second, 30 * time.Second}).Draw(t, "window"),
		maxHold:    rapid.SampledFrom([]time.Duration{0, 20 * time.Second, 10 * time.Minute}).Draw(t, "max hold"),
		badGrace:   rapid.SampledFrom([]time.Duration{0, 15 * time.Second}).Draw(t, "grace"),
		minServers: rapid.SampledFrom([]int{0, 0, 3, 8}).Draw(t, "min servers"),
		onEmpty:    rapid.SampledFrom([]OnEmpty{"", OnEmptyKeep, OnEmptyFallback, OnEmptyEmpty}).Draw(t, "on empty"),
		damping:    rapid.Bool().Draw(t, "damping"),
		probe:      rapid.Bool().Draw(t, "probe"),
	}
	if p.onEmpty == OnEmptyFallback {
		p.fallback = []Server{hostServer(1), hostServer(250)}
	}
	m := &guardModel{
		p: p, g: newGuard(p), now: time.Unix(1e9, 0),
		entries: map[string]Server{}, cause: map[string]cause{}, pool: map[netip.AddrPort]Server{},
	}
	var earlier []candidate
	for _, n := range rapid.SliceOfDistinct(rapid.IntRange(1, modelHosts), rapid.ID).Draw(t, "remembered") {
		earlier = append(earlier, candidate{server: hostServer(n)})
	}
	m.g.remember(m.now, earlier)
	m.check(t, "remember")
	return m
}

func (m *guardModel) key(t *rapid.T) string {
	return hostKey(rapid.IntRange(1, modelHosts).Draw(t, "key"))
}

// list sets some entries, mostly at the address that their keys say.
func (m *guardModel) list(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "n") {
		n := rapid.IntRange(1, modelHosts).Draw(t, "host")
		s := hostServer(n)
		if rapid.IntRange(0, 9).Draw(t, "elsewhere") == 0 {
			s = hostServer(rapid.IntRange(1, modelHosts).Draw(t, "where"))
		}
		s.Weight = rapid.IntRange(1, 3).Draw(t, "weight")
		s.State = rapid.SampledFrom([]State{Up, Up, Drain, Down}).Draw(t, "state")
		if !m.taken(s.Addr, hostKey(n)) {
			m.entries[hostKey(n)] = s
		}
	}
	m.observe(t, "list")
}

func (m *guardModel) taken(addr netip.AddrPort, but string) bool {
	for key, s := range m.entries {
		if s.Addr == addr && key != but {
			return true
		}
	}
	return false
}

// lose takes some entries away, each for a reason of its own or all for one.
func (m *guardModel) lose(t *rapid.T) {
	causes := rapid.SampledFrom([][]cause{
		{causeExpired},
		{causeDeleted},
		{causeUnknown},
		{causeRejected},
		{causeUnknown, causeDeleted, causeExpired, causeRejected},
	}).Draw(t, "causes")
	for range rapid.IntRange(1, modelHosts).Draw(t, "n") {
		key := m.key(t)
		if _, ok := m.entries[key]; ok || m.cause[key] == causeRejected {
			m.cause[key] = rapid.SampledFrom(causes).Draw(t, "cause")
			delete(m.entries, key)
		}
	}
	m.observe(t, "lose")
}

func (m *guardModel) wipe(t *rapid.T) {
	c := rapid.SampledFrom([]cause{causeUnknown, causeDeleted, causeExpired}).Draw(t, "cause")
	for key := range m.entries {
		m.cause[key] = c
	}
	clear(m.entries)
	m.observe(t, "wipe")
}

func (m *guardModel) swap(t *rapid.T) {
	a, b := m.key(t), m.key(t)
	x, okA := m.entries[a]
	y, okB := m.entries[b]
	if okA && okB {
		m.entries[a], m.entries[b] = y, x
	}
	m.observe(t, "swap")
}

func (m *guardModel) flap(t *rapid.T) {
	key := m.key(t)
	for range rapid.IntRange(1, 5).Draw(t, "times") {
		if s, ok := m.entries[key]; ok {
			m.cause[key] = causeDeleted
			delete(m.entries, key)
			m.observe(t, "flap out")
			m.now = m.now.Add(time.Second)
			m.entries[key] = s
			m.observe(t, "flap in")
		}
	}
}

func (m *guardModel) observe(t *rapid.T, what string) {
	m.lost, m.heard = false, true
	before := m.last.hosts
	present := make([]candidate, 0, len(m.entries))
	at := map[netip.AddrPort]bool{}
	for key, s := range m.entries {
		present = append(present, candidate{key: key, server: s})
		at[s.Addr] = true
	}
	m.deleted = map[netip.AddrPort]bool{}
	for _, h := range before {
		listed := h.Verdict == VerdictIn || h.Verdict == VerdictDraining || h.Verdict == VerdictDown
		_, moved := m.entries[h.Key]
		if listed && !at[h.Addr] && (moved || m.cause[h.Key] == causeDeleted) {
			m.deleted[h.Addr] = true
		}
	}
	m.g.observe(m.now, present, func(key string) cause { return m.cause[key] })
	m.check(t, what)
}

// pass lets time pass as a caller does who asks when he is told to, and sees that nothing changes in between.
func (m *guardModel) pass(t *rapid.T) {
	step := rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Second, 5 * time.Second, 20 * time.Second, 5 * time.Minute, 11 * time.Minute,
	}).Draw(t, "time")
	end := m.now.Add(step)
	for range 200 {
		next := m.last.next
		if next.IsZero() || next.After(end) {
			m.now = end
			m.wantUnchanged(t)
			return
		}
		if !next.After(m.now) {
			t.Fatalf("next is %v, now is %v", next, m.now)
		}
		m.now = next.Add(-1)
		m.wantUnchanged(t)
		m.now = next
		m.check(t, "next")
	}
	t.Fatalf("two hundred changes within %v", step)
}

func (m *guardModel) wantUnchanged(t *rapid.T) {
	m.g.dirty = true
	if d := m.g.decide(m.now); !sameDecision(m.last, d) || len(d.probes) > 0 {
		t.Fatalf("changed at %v before next %v:\n%s", m.now, m.last.next, diffDecisions(m.last, d))
	}
}

func (m *guardModel) answer(t *rapid.T) {
	if len(m.asked) == 0 {
		return
	}
	addr := rapid.SampledFrom(m.asked).Draw(t, "host")
	m.asked = slices.DeleteFunc(m.asked, func(a netip.AddrPort) bool { return a == addr })
	alive := rapid.IntRange(0, 3).Draw(t, "alive") == 0
	before := len(m.pool)
	m.g.probed(m.now, addr, alive)
	m.check(t, "answer")
	if (alive || m.lost || len(m.entries) == 0) && len(m.pool) < before {
		t.Fatalf("an answer removed %v: alive %v, lost %v, %d entries", addr, alive, m.lost, len(m.entries))
	}
}

func (m *guardModel) release(t *rapid.T) {
	before := len(m.pool)
	n := m.g.release(m.now)
	m.check(t, "release")
	for _, h := range m.last.hosts {
		if h.Verdict == VerdictHeld && !strings.Contains(h.Reason, "no other host is left") {
			t.Fatalf("%v is held after a release", h)
		}
	}
	if gone := before - len(m.pool); n < gone { // Damped hosts may have come in for them.
		t.Fatalf("released %d, %d have gone", n, gone)
	}
}

func (m *guardModel) contact(t *rapid.T) {
	m.lost = rapid.Bool().Draw(t, "lost")
	m.g.contact(m.now, !m.lost)
	m.check(t, "contact")
}
