package lbsync

import (
	"slices"
	"time"
)

const (
	// outAge is how long a host that left can be explained, maxOuts how many of them.
	outAge  = 10 * time.Minute
	maxOuts = 1000
	// probeAgain is the pause after an answer that changed nothing.
	probeAgain = 5 * time.Second
)

// tick moves the hosts whose time has come: first those that come back, then those that go, by address.
func (g *guard) tick(now time.Time) {
	var damped, graced, overdue []*guardHost
	for _, h := range g.sorted() {
		if h.until.IsZero() || now.Before(h.until) {
			continue
		}
		switch h.stand {
		case standDamped:
			damped = append(damped, h)
		case standGrace:
			graced = append(graced, h)
		case standExpired, standUnknown:
			overdue = append(overdue, h)
		default:
		}
	}
	for _, h := range damped {
		g.admit(now, h)
	}
	if g.frozen() {
		return
	}
	before := g.size()
	for _, h := range graced {
		g.expire(now, h, before, g.words.graceOver)
	}
	for _, h := range overdue {
		g.endHold(now, h)
	}
}

// endHold is a hold that has lasted for maxHold.
func (g *guard) endHold(now time.Time, h *guardHost) {
	if g.size() > g.policy.minServers {
		g.leave(h, exit{kind: exitOverdue, reason: g.words.overdue})
		return
	}
	if h.reason != g.words.few {
		g.dirty = true
		h.say(now, VerdictHeld, g.words.few)
	}
}

// settle ends an input: it sees that the pool is not empty against the policy, and books what has left for good.
func (g *guard) settle(now time.Time) {
	if g.size() == g.counts[standLast] {
		g.letDampedIn(now)
	}
	switch {
	case g.size() > g.counts[standLast]:
		g.dissolve(now)
	case g.size() == 0 && g.policy.onEmpty != OnEmptyFallback && g.policy.onEmpty != OnEmptyEmpty:
		g.restore(now)
	}
	g.book(now)
	g.loss.resize(now, g.size())
	if g.counts[standExpired]+g.counts[standUnknown] == 0 {
		g.base = 0
	}
	g.prune(now)
}

// book counts and buries what has left.
func (g *guard) book(now time.Time) {
	for _, h := range g.left {
		if h.exit.kind == exitExpired {
			g.loss.pass(now)
		}
		if g.policy.damping && h.flapped(now) {
			g.flaps.departed(now, h.server.Addr)
		}
		g.bury(now, h)
	}
	g.forgetLeft()
}

func (g *guard) forgetLeft() {
	clear(g.left)
	g.left, g.passing = g.left[:0], 0
}

// letDampedIn lets the damped hosts in because nothing else is there.
func (g *guard) letDampedIn(now time.Time) {
	if g.counts[standDamped] == 0 {
		return
	}
	for _, h := range g.sorted() {
		if h.stand == standDamped {
			g.admit(now, h)
		}
	}
}

// restore puts back all that has just left: the last pool that was not empty.
func (g *guard) restore(now time.Time) {
	for _, h := range g.left {
		g.move(h, standLast)
		h.say(now, VerdictHeld, g.words.last(h.exit.reason))
	}
	g.forgetLeft()
}

// dissolve lets the last hosts of a pool go that has others again. What had expired is measured once more, and what was
// held until its time was over is held anew: a registry that comes back with one host must not take all others at once.
func (g *guard) dissolve(now time.Time) {
	if g.counts[standLast] == 0 {
		return
	}
	before := g.size()
	for _, h := range g.sorted() {
		if h.stand != standLast {
			continue
		}
		switch h.exit.kind {
		case exitFinal, exitOnPurpose:
			g.leave(h, h.exit)
		case exitExpired:
			g.expire(now, h, before, h.exit.reason)
		case exitOverdue:
			g.hold(now, h, standUnknown, before, g.words.unknown)
		}
	}
}

// departure is a host that left, and which time that was.
type departure struct {
	host *guardHost
	out  uint64
	at   time.Time
}

// current tells whether the host has not been back since.
func (d departure) current() bool { return d.host.stand == standOut && d.host.out == d.out }

// bury makes a host one that has left.
func (g *guard) bury(now time.Time, h *guardHost) {
	g.departures++
	h.out = g.departures
	h.say(now, VerdictOut, h.exit.reason)
	g.outs = append(g.outs, departure{host: h, out: h.out, at: now})
}

// prune forgets hosts that left long ago, and the oldest of too many.
func (g *guard) prune(now time.Time) {
	var forgotten bool
	for len(g.outs) > 0 {
		first := g.outs[0]
		if first.current() {
			if g.counts[standOut] <= maxOuts && now.Sub(first.at) < outAge {
				break
			}
			delete(g.hosts, first.host.server.Addr)
			g.counts[standOut]--
			forgotten = true
		}
		g.outs = g.outs[1:]
	}
	if forgotten {
		g.dirty = true
		g.order = slices.DeleteFunc(g.order, func(h *guardHost) bool { return g.hosts[h.server.Addr] != h })
	}
}
