package lbsync

import (
	"net/netip"
	"slices"
	"time"
)

// standing is where a host stands with its pool.
type standing int

const (
	standOut standing = iota
	// standListed is in the pool as the registry says.
	standListed
	// standDamped is listed and kept out until h.until.
	standDamped
	// standGrace is in the pool with its last good server until h.until, because its value was rejected.
	standGrace
	// standExpired is held: its lease ran out when no more could go.
	standExpired
	// standUnknown is held: it has gone without evidence.
	standUnknown
	// standLast would be out by h.exit, and stays because nothing else is left.
	standLast
)

// guardHost is one address. A host that has left is kept for a while, for explanations.
type guardHost struct {
	server Server
	key    string
	stand  standing
	view   uint64 // the latest observation that had it
	exit   exit   // why it left, or would but for standLast

	// until is when the standing ends by itself; zero is never.
	until time.Time
	// hold numbers the hold, 0 for a remembered host that no observation has looked for. look is the next probe.
	hold uint64
	look time.Time

	// came is when it came into the pool.
	came time.Time
	// out numbers the latest departure.
	out uint64

	verdict Verdict
	reason  string
	since   time.Time
}

// exit is why a host left.
type exit struct {
	kind   exitKind
	reason string
}

type exitKind int

const (
	// exitFinal is proven, or decided by the operator.
	exitFinal exitKind = iota
	// exitOnPurpose is a removed entry, or one that names another address.
	exitOnPurpose
	// exitExpired counts against what may expire.
	exitExpired
	// exitOverdue is a hold that has lasted long enough.
	exitOverdue
)

func (h *guardHost) inPool() bool { return h.stand != standOut && h.stand != standDamped }

func (h *guardHost) held() bool { return h.inPool() && h.stand != standListed }

// remembered tells whether the host is of an earlier run and no observation has looked for it.
func (h *guardHost) remembered() bool { return h.stand == standUnknown && h.hold == 0 }

func (h *guardHost) probeable() bool {
	return h.stand == standExpired || h.stand == standUnknown && !h.remembered()
}

// say sets the verdict and its words. The verdict's age is kept while it stays the same.
func (h *guardHost) say(now time.Time, v Verdict, reason string) {
	if h.verdict != v {
		h.verdict, h.since = v, now
	}
	h.reason = reason
}

// postpone moves what time would bring.
func (h *guardHost) postpone(by time.Duration) {
	if !h.until.IsZero() {
		h.until = h.until.Add(by)
	}
	if !h.look.IsZero() {
		h.look = h.look.Add(by)
	}
}

// host returns the host with the address, a new one when there is none.
func (g *guard) host(addr netip.AddrPort) *guardHost {
	h := g.hosts[addr]
	if h == nil {
		h = &guardHost{server: Server{Addr: addr}}
		g.hosts[addr] = h
		g.counts[standOut]++
		g.order = append(g.order, h)
		g.unsorted = true
	}
	return h
}

// sorted returns all hosts by address.
func (g *guard) sorted() []*guardHost {
	if g.unsorted {
		slices.SortFunc(g.order, func(a, b *guardHost) int { return a.server.compare(b.server) })
		g.unsorted = false
	}
	return g.order
}

// size is how many hosts are in the pool, without fallback servers.
func (g *guard) size() int { return len(g.hosts) - g.counts[standOut] - g.counts[standDamped] }

// move makes a host stand elsewhere, with nothing that time would bring.
func (g *guard) move(h *guardHost, s standing) {
	g.dirty = true
	g.counts[h.stand]--
	g.counts[s]++
	h.stand, h.until, h.look = s, time.Time{}, time.Time{}
}

// leave takes a host out of the pool. Whether it stays as one of the last, settle decides.
func (g *guard) leave(h *guardHost, why exit) {
	if why.kind == exitExpired {
		g.passing++
	}
	g.move(h, standOut)
	h.exit = why
	g.left = append(g.left, h)
}

// hold begins a hold of a host in the pool. before is the size of the pool when this input or moment began to hold.
func (g *guard) hold(now time.Time, h *guardHost, s standing, before int, reason string) {
	g.move(h, s)
	g.base = max(g.base, before)
	g.holds++
	h.hold = g.holds
	h.look = now
	if s == standUnknown {
		h.look = now.Add(g.policy.lossWindow)
	}
	if g.policy.maxHold > 0 {
		h.until = now.Add(g.policy.maxHold)
	}
	h.say(now, VerdictHeld, reason)
}

// expire is a lease that has run out, or what counts as one. before is as in hold.
func (g *guard) expire(now time.Time, h *guardHost, before int, reason string) {
	spent := g.loss.spent(now) + g.passing
	if spent < g.loss.budget(now) && g.size() > g.policy.minServers {
		g.leave(h, exit{kind: exitExpired, reason: reason})
		return
	}
	g.hold(now, h, standExpired, before, reason+g.words.beyond)
}
