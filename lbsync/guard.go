package lbsync

import (
	"net/netip"
	"slices"
	"time"
)

// policy is how a pool is protected, see [Service] for the meaning of each setting.
type policy struct {
	maxLoss    float64 // 1 and more switches the protection against mass expiry off
	lossWindow time.Duration
	maxHold    time.Duration // 0 is for ever
	badGrace   time.Duration // 0 is none
	minServers int
	onEmpty    OnEmpty
	fallback   []Server
	damping    bool
	probe      bool
}

// cause says why a key is no longer listed.
type cause int

const (
	// causeUnknown is no evidence at all: the registry or lbsync was restarted, or changes were missed.
	causeUnknown cause = iota
	causeDeleted
	causeExpired
	// causeRejected is an entry that is still there with a value that is not usable any more.
	causeRejected
)

// candidate is a usable entry of the current view.
type candidate struct {
	key    string
	server Server
}

// decision is what becomes of a pool. Its slices are snapshots that are shared between decisions: nobody changes them.
type decision struct {
	// servers is the pool, sorted by address.
	servers []Server
	// next is when to ask again without any news; zero is never. Nothing but news changes the decision before.
	next time.Time
	// probes are held hosts to look at now. Each is answered by probed and not named again until then.
	probes []netip.AddrPort
	// hosts are all that the guard knows, each address once, sorted by address.
	hosts []HostStatus
	// preserving says why hosts are held, in words; empty when none is.
	preserving string
}

// A guard decides which hosts are in one pool: what the registry lists, and of what has gone that which must not go yet.
// It is pure: it has no clock, lock or goroutine; the time comes in as now, which does not run backwards.
//
// A host is its address. It stands where its [standing] says; each input moves hosts from one standing to another and ends
// with settle, which applies the rule for a pool that would be empty. Time moves hosts in tick, which every input and every
// due decision run.
//
// Before the first observe, and while contact says that the registry is not reachable, the guard is frozen: expired,
// remembered and rejected hosts stay, no hold runs out (its remaining time is kept for later) and no answer of a probe
// removes anything. Only the operator's release works, and damped hosts still come back.
type guard struct {
	policy policy
	loss   lossGauge
	flaps  flapMemory
	words  words

	hosts map[netip.AddrPort]*guardHost
	order []*guardHost // all hosts, sorted by address unless unsorted
	// unsorted tells that hosts were appended to order since it was sorted.
	unsorted bool
	// outs are the hosts that left, in the order in which they did. Those that have come back meanwhile are passed over.
	outs       []departure
	departures uint64 // numbers them

	// counts has how many of the hosts stand where.
	counts [standLast + 1]int
	// left are the hosts that the present input has taken out of the pool, until settle sees whether it is empty.
	left []*guardHost
	// passing is how many of them left by expiry.
	passing int
	// base is the largest pool at the beginning of any hold since hosts are held without a break; 0 when none is.
	base int
	// holds numbers the holds. asked has the hosts that were named for a probe and not answered, with the hold's number.
	holds uint64
	asked map[netip.AddrPort]uint64

	view   uint64 // counts observations
	listed int    // entries in the latest observation
	lost   bool   // the registry is not reachable
	lostAt time.Time

	// decision is the latest one, without its probes, and dirty that it no longer tells the truth.
	decision decision
	dirty    bool
	// fellBack is since when the fallback servers are the pool.
	fellBack time.Time
}

func newGuard(p policy) *guard {
	p.fallback = slices.Clone(p.fallback)
	slices.SortFunc(p.fallback, Server.compare)
	p.fallback = slices.CompactFunc(p.fallback, func(a, b Server) bool { return a.Addr == b.Addr })
	return &guard{
		policy: p,
		loss:   lossGauge{share: p.maxLoss, window: p.lossWindow},
		flaps:  flapMemory{},
		words:  newWords(p),
		hosts:  map[netip.AddrPort]*guardHost{},
		asked:  map[netip.AddrPort]uint64{},
		dirty:  true,
	}
}

// remember puts the pool of an earlier run in, to be held until the registry lists it. It is called before the first
// observe only. A host whose key is not known any more has an empty one.
func (g *guard) remember(now time.Time, earlier []candidate) {
	for _, c := range earlier {
		h := g.host(c.server.Addr)
		if h.inPool() {
			continue
		}
		h.key, h.server = c.key, c.server
		g.move(h, standUnknown)
		h.say(now, VerdictHeld, g.words.remembered)
	}
	g.settle(now)
}

// observe takes in the whole view of the registry, and that the registry is reachable. why is asked for the keys that are
// not among the present ones: those that were in the view before, and again each time for those whose value was rejected
// before and whose last good server still stands in, and for those that are held because nothing told why.
func (g *guard) observe(now time.Time, present []candidate, why func(key string) cause) {
	g.contact(now, true)
	g.view++
	g.listed = len(present)
	g.dirty = g.dirty || g.view == 1
	for _, c := range present {
		h := g.host(c.server.Addr)
		h.view = g.view
		g.list(now, h, c)
	}
	if gone := g.missing(); len(gone) > 0 {
		g.miss(now, gone, present, why)
	}
	g.flaps.forget(now)
	g.tick(now)
	g.settle(now)
}

// contact says whether the registry answers. While it does not, the guard is frozen; what is left of each hold begins to
// run again when it does.
func (g *guard) contact(now time.Time, reachable bool) {
	if reachable != g.lost {
		return
	}
	g.lost, g.dirty = !reachable, true
	if g.lost {
		g.lostAt = now
		return
	}
	for _, h := range g.order {
		if h.held() {
			h.postpone(now.Sub(g.lostAt))
		}
	}
}

// frozen tells whether nothing may be removed because the registry is not heard.
func (g *guard) frozen() bool { return g.lost || g.view == 0 }

// decide says what the pool is now. Deciding again at the same time gives the same, but names no probe twice.
func (g *guard) decide(now time.Time) decision {
	due := !g.decision.next.IsZero() && !now.Before(g.decision.next)
	if !g.dirty && !due {
		return g.decision
	}
	g.tick(now)
	g.settle(now)
	g.decision = g.build(now)
	g.dirty = false
	d := g.decision
	d.probes = g.nameProbes(now)
	return d
}

// probed is the answer to a probe. One that belongs to an earlier hold of the host than the present one counts for nothing.
func (g *guard) probed(now time.Time, addr netip.AddrPort, alive bool) {
	hold, ok := g.asked[addr]
	if !ok {
		return
	}
	delete(g.asked, addr)
	g.dirty = true
	h := g.hosts[addr]
	if h == nil || !h.probeable() || h.hold != hold {
		return
	}
	h.look = now.Add(probeAgain)
	if g.lost {
		h.look = g.lostAt.Add(probeAgain) // The end of the outage adds the rest.
	}
	if alive || g.frozen() || g.listed == 0 || !g.mayFail() {
		return
	}
	g.leave(h, exit{reason: reasonProbe})
	g.settle(now)
}

// mayFail tells whether one host may leave the pool by a probe: half of what was there when the holding began stays, and
// never less than minServers.
func (g *guard) mayFail() bool {
	return g.size()-1 >= max((g.base+1)/2, g.policy.minServers)
}

// release lets all held hosts go, also while the guard is frozen, and returns how many have gone. Where an empty pool keeps
// its last hosts and there are no others, none goes at once; they go with the first host that is listed.
func (g *guard) release(now time.Time) int {
	for _, h := range g.sorted() {
		if h.held() {
			g.leave(h, exit{reason: reasonReleased})
		}
	}
	released := len(g.left)
	g.settle(now)
	return released - g.counts[standLast]
}
