package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/registry"
)

// GuardOptions bound what clients may ask for. A field of 0 is no limit.
//
// A client is an IPv4 address, or the 64 bits of an IPv6 address that stand for a network.
// Behind a proxy all are one client: what a request says of its sender is not believed.
type GuardOptions struct {
	// Rate is how many requests for keys a client may make a second, as many at once as in
	// one second. Heartbeats, refreshes and removals are served above it, too.
	Rate float64
	// WatchesPerClient is how many watches of one client may wait.
	WatchesPerClient int
	// Connections is how many connections may be open, see [Guard.Bound].
	Connections int
}

// GuardLimit is one of the limits of a [Guard].
type GuardLimit uint8

// The limits of a guard.
const (
	LimitRate GuardLimit = iota
	LimitWatchesPerClient
	LimitConnections
	nGuardLimits
)

// String returns the limit's name as in the metrics.
func (l GuardLimit) String() string {
	return [nGuardLimits]string{"rate", "watches_per_client", "connections"}[l]
}

// GuardStats is what a guard can tell.
type GuardStats struct {
	Connections int                  // open now
	Evicted     uint64               // idle connections that were closed to make room
	Refusals    [nGuardLimits]uint64 // requests and connections that a limit has refused, by limit
}

// Guard keeps the limits that are about clients and not about data. It belongs to one
// server. All methods may be called concurrently; a nil Guard has no limits.
type Guard struct {
	opts     GuardOptions
	rates    *rates // nil without a limit
	conns    connections
	refusals [nGuardLimits]atomic.Uint64

	mu      sync.Mutex
	watches map[netip.Addr]int // by client, without those that have none
}

// NewGuard returns a guard for [Options.Guard] and for the server of that handler.
func NewGuard(o GuardOptions) *Guard {
	g := &Guard{opts: o, watches: make(map[netip.Addr]int)}
	g.conns.limit = o.Connections
	g.conns.refused = func() { g.refusals[LimitConnections].Add(1) }
	if o.Rate > 0 {
		g.rates = newRates(o.Rate)
	}
	return g
}

// Stats returns the present figures.
func (g *Guard) Stats() GuardStats {
	s := GuardStats{Connections: g.conns.count(), Evicted: g.conns.evicted.Load()}
	for l := range s.Refusals {
		s.Refusals[l] = g.refusals[l].Load()
	}
	return s
}

// isOverRate takes a request into account and tells whether it is one too many.
func (g *Guard) isOverRate(r *http.Request) bool {
	return g != nil && g.rates != nil && !g.rates.allow(clientOf(r), time.Now())
}

// beginWatch takes a watch into account until release is called.
func (g *Guard) beginWatch(r *http.Request) (release func(), refused *refusal) {
	if g == nil || g.opts.WatchesPerClient <= 0 {
		return func() {}, nil
	}
	client := clientOf(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.watches[client] + 1; n > g.opts.WatchesPerClient {
		return nil, g.refuse(LimitWatchesPerClient, fmt.Sprintf(
			"%d watches of %s with this one; the limit is %d (max-watches-per-client)", n, client, g.opts.WatchesPerClient))
	}
	g.watches[client]++
	return func() { g.endWatch(client) }, nil
}

func (g *Guard) endWatch(client netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watches[client]--; g.watches[client] == 0 {
		delete(g.watches, client)
	}
}

// tooFast is the refusal of a request above the rate.
func (g *Guard) tooFast(r *http.Request) *refusal {
	err := g.refuse(LimitRate, fmt.Sprintf("more than %v requests a second from %s (max-rate)", g.opts.Rate, clientOf(r)))
	err.after = max(int(math.Ceil(1/g.opts.Rate)), 1)
	return err
}

// refuse counts a refusal and returns its error.
func (g *Guard) refuse(l GuardLimit, cause string) *refusal {
	g.refusals[l].Add(1)
	return &refusal{
		v2:     &registry.Error{Code: registry.CodeLimit, Cause: cause},
		status: http.StatusTooManyRequests,
		after:  retryAfter,
	}
}

// retryAfter is how many seconds a client waits that finds no room.
const retryAfter = 1

// refusal is an error that goes away by itself.
type refusal struct {
	v2     *registry.Error // of the API
	status int
	after  int // seconds until it may have gone
}

// ipv6Network is how much of an IPv6 address tells clients apart: each host has all the rest.
const ipv6Network = 64

// clientOf returns who makes a request, the zero address where that is unknown.
func clientOf(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := from.Addr().Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	network, err := addr.Prefix(ipv6Network)
	if err != nil {
		return addr
	}
	return network.Addr()
}
