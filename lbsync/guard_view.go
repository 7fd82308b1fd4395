package lbsync

import (
	"net/netip"
	"time"
)

// list is a host that the registry lists.
func (g *guard) list(now time.Time, h *guardHost, c candidate) {
	if h.stand != standOut && h.key == c.key && h.server == c.server && (h.stand == standListed || h.stand == standDamped) {
		return
	}
	h.key, h.server = c.key, c.server
	g.dirty = true
	if h.stand == standDamped {
		return
	}
	if wait := g.flaps.wait(now, c.server.Addr); h.stand == standOut && wait > 0 {
		g.move(h, standDamped)
		h.until = now.Add(wait)
		h.say(now, VerdictDamped, g.words.damped(wait))
		return
	}
	g.admit(now, h)
}

// admit puts a listed host into the pool.
func (g *guard) admit(now time.Time, h *guardHost) {
	if h.stand == standDamped {
		g.flaps.stir(now, h.server.Addr)
	}
	if !h.inPool() {
		h.came = now
	}
	g.move(h, standListed)
	h.exit = exit{}
	switch h.server.State {
	case Drain:
		h.say(now, VerdictDraining, reasonDrain)
	case Down:
		h.say(now, VerdictDown, reasonDown)
	default:
		h.say(now, VerdictIn, reasonListed)
	}
}

// missing returns the hosts that are in the pool or damped and not in the present view, by address.
func (g *guard) missing() []*guardHost {
	var gone []*guardHost
	for _, h := range g.sorted() {
		if h.view != g.view && h.stand != standOut {
			gone = append(gone, h)
		}
	}
	return gone
}

// miss moves the hosts that are not in the view. What goes on purpose goes first, so that what expires with it is measured
// by the pool that was meant to be.
func (g *guard) miss(now time.Time, gone []*guardHost, present []candidate, why func(string) cause) {
	at := make(map[string]netip.AddrPort, len(present))
	for _, c := range present {
		at[c.key] = c.server.Addr
	}
	var by [causeRejected + 1][]*guardHost
	for _, h := range gone {
		addr, moved := at[h.key]
		switch {
		case moved && h.key != "":
			g.part(now, h, reasonMoved+addr.String())
		case h.stand == standDamped:
			g.part(now, h, causeReason(why(h.key)))
		case h.stand == standListed || h.stand == standGrace || h.remembered():
			c := g.reason(h, why)
			by[c] = append(by[c], h)
		case h.stand == standUnknown:
			if c := g.reason(h, why); c == causeDeleted || c == causeExpired { // The reason has come after all.
				by[c] = append(by[c], h)
			}
		}
	}
	for _, h := range by[causeDeleted] {
		g.part(now, h, reasonDeleted)
	}
	for _, h := range by[causeRejected] {
		g.standIn(now, h)
	}
	g.missed(now, by[causeUnknown], by[causeExpired])
}

// reason says why a host is missing. Nobody knows that of one whose key was not remembered.
func (g *guard) reason(h *guardHost, why func(string) cause) cause {
	if h.key == "" {
		return causeUnknown
	}
	return why(h.key)
}

// missed holds what went without a reason, and what of the expired must not go.
func (g *guard) missed(now time.Time, unknown, expired []*guardHost) {
	before := g.size()
	for _, h := range unknown {
		reason := g.words.unknown
		if h.remembered() {
			reason = g.words.earlier
		}
		g.hold(now, h, standUnknown, before, reason)
	}
	for _, h := range expired {
		g.expire(now, h, before, reasonExpired)
	}
}

// part takes out a host that has gone on purpose, or a damped one, which was not in.
func (g *guard) part(now time.Time, h *guardHost, reason string) {
	if h.stand != standDamped {
		g.leave(h, exit{kind: exitOnPurpose, reason: reason})
		return
	}
	g.flaps.stir(now, h.server.Addr)
	g.move(h, standOut)
	h.exit = exit{reason: reason}
	g.bury(now, h)
}

// standIn lets the last good server of a rejected entry stay for a while, which may be none: tick ends it, as an expiry.
func (g *guard) standIn(now time.Time, h *guardHost) {
	if h.stand == standGrace {
		return
	}
	g.move(h, standGrace)
	h.until = now.Add(g.policy.badGrace)
	h.say(now, VerdictHeld, g.words.grace)
}
