package httpapi

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds how many clients' rates are known. The one that has been quiet for
// longest is forgotten for a new one. A client that was quiet for a second may do again all
// it ever may, so that to forget it makes a difference only if more than these come in one.
const maxClients = 1 << 16

// rates are the token buckets of the clients.
type rates struct {
	limit rate.Limit
	burst int
	most  int // clients

	mu       sync.Mutex
	byClient map[netip.Addr]*list.Element
	order    list.List // of *bucket, the latest seen first
}

type bucket struct {
	client netip.Addr
	tokens *rate.Limiter
}

func newRates(perSecond float64) *rates {
	return &rates{
		limit:    rate.Limit(perSecond),
		burst:    int(math.Ceil(perSecond)),
		most:     maxClients,
		byClient: make(map[netip.Addr]*list.Element),
	}
}

// allow takes a token of a client and tells whether there was one.
func (r *rates) allow(client netip.Addr, now time.Time) bool {
	return r.of(client).AllowN(now, 1)
}

// of returns the bucket of a client, a full one if it is not known.
func (r *rates) of(client netip.Addr) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.byClient[client]; ok {
		r.order.MoveToFront(known)
		return known.Value.(*bucket).tokens
	}
	if r.order.Len() >= r.most {
		quiet := r.order.Back()
		r.order.Remove(quiet)
		delete(r.byClient, quiet.Value.(*bucket).client)
	}
	b := &bucket{client, rate.NewLimiter(r.limit, r.burst)}
	r.byClient[client] = r.order.PushFront(b)
	return b.tokens
}
