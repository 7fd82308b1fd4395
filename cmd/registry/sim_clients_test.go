package main

import (
	"errors"
	"fmt"
	"time"

	"rollcall/registry"
)

// simMaxTTL is the longest lease of a host.
const simMaxTTL = 10 * time.Second

// simHost registers itself and heartbeats three times a TTL, at one node as long as that
// answers, or at each in turn as behind a balancer.
type simHost struct {
	sim        *sim
	key        registry.Key
	value      string
	ttl        time.Duration
	home       int // what cuts the network for the node of this number cuts it for the host
	at         int // where it heartbeats
	roundRobin bool

	next    time.Time // of the next heartbeat
	acked   time.Time // when the latest one was answered
	by      *simNode  // by whom
	boot    *registry.Store
	since   time.Time // when it has had this value and answers without a break
	died    time.Time // zero while it lives
	changes int

	missing map[*simNode]time.Time // since when nodes that should have it have not
}

func newSimHost(s *sim, i int) *simHost {
	h := &simHost{
		sim: s, missing: map[*simNode]time.Time{}, key: registry.Key(fmt.Sprintf("/frontends/fe%d", i)), value: fmt.Sprint("10.0.1.", i),
		ttl: time.Duration(4+s.rand.IntN(7)) * time.Second, home: s.rand.IntN(len(s.nodes)), roundRobin: s.rand.IntN(3) == 0,
	}
	h.at = h.home
	h.next = time.Now().Add(time.Duration(s.rand.IntN(int(h.ttl))))
	return h
}

// tick heartbeats when it is time, and now and then dies, comes back or changes its value.
func (h *simHost) tick() {
	s := h.sim
	now := time.Now()
	if !h.died.IsZero() {
		if !s.quiet && s.rand.IntN(400) == 0 && now.Sub(h.died) > 3*simMaxTTL {
			h.died, h.next, h.since = time.Time{}, now, time.Time{}
			s.note("host %s comes back", h.key)
		}
		return
	}
	switch roll := s.rand.IntN(800); {
	case s.quiet:
	case roll == 0:
		s.note("host %s dies", h.key)
		h.died = now
		return
	case roll == 1:
		h.changes++
		h.value = fmt.Sprintf("10.0.2.%d", h.changes)
		h.since, h.next = time.Time{}, now
		s.note("host %s is now %s", h.key, h.value)
	}
	if now.Before(h.next) {
		return
	}
	if h.roundRobin {
		h.at++
	}
	for range s.nodes {
		n := s.nodes[h.at%len(s.nodes)]
		if n.serves() && s.reaches(h.home, n.id) {
			h.beat(n, now)
			return
		}
		h.at++
	}
	h.next = now.Add(time.Second)
	h.since = time.Time{}
}

func (h *simHost) beat(n *simNode, now time.Time) {
	if _, err := n.store.Put(h.key, registry.PutOptions{Value: h.value, TTL: h.ttl}); err != nil {
		h.sim.failf("heartbeat of %s at %v: %v", h.key, n, err)
	}
	if now.Sub(h.acked) > h.ttl || h.since.IsZero() {
		h.since = now
	}
	h.acked, h.by, h.boot = now, n, n.store
	h.next = now.Add(h.ttl / 3)
}

// reaches tells whether a client beside node from reaches node to.
func (s *sim) reaches(from, to int) bool {
	return !s.links[[2]int{from, to}] && !s.links[[2]int{to, from}]
}

// simKey is shared configuration with one writer: no lease, and what was answered last
// must be there in the end.
type simKey struct {
	sim *sim
	key string

	value   string // "" when it is removed
	by      *simNode
	boot    *registry.Store // of the node that answered
	at      time.Time
	writes  int
	safe    bool // all nodes have had time to hear of it
	doubted bool // the node that answered was lost before it could tell the others, or clocks differ
}

func (k *simKey) tick() {
	s := k.sim
	if s.quiet || s.rand.IntN(80) != 0 {
		return
	}
	n := s.nodes[s.rand.IntN(len(s.nodes))]
	if !n.serves() {
		return
	}
	k.writes++
	var err error
	if k.writes%4 == 0 {
		dir := registry.Key("/creds")
		if s.rand.IntN(8) == 0 {
			_, err = n.store.Delete(dir, registry.DeleteOptions{Recursive: true})
			s.note("all of /creds is deleted at %v", n)
			for _, o := range s.keys {
				o.wrote("", n)
			}
		} else {
			_, err = n.store.Delete(registry.Key(k.key), registry.DeleteOptions{})
			s.note("%s is deleted at %v", k.key, n)
			k.wrote("", n)
		}
		if v2 := new(registry.Error); errors.As(err, &v2) && v2.Code == registry.CodeKeyNotFound {
			k.doubted = true // deleting what is not there yet deletes nothing
			err = nil
		}
	} else {
		value := fmt.Sprint("v", k.writes)
		_, err = n.store.Put(registry.Key(k.key), registry.PutOptions{Value: value})
		s.note("%s is %s at %v", k.key, value, n)
		k.wrote(value, n)
	}
	if err != nil {
		s.failf("write of %s at %v: %v", k.key, n, err)
	}
}

// wrote notes an answered write. It counts for sure if no clock is wrong.
func (k *simKey) wrote(value string, n *simNode) {
	now := time.Now()
	k.doubted = k.sim.skewed || k.at.Equal(now) && k.by != n // at one moment at two nodes
	k.value, k.by, k.boot, k.at, k.safe = value, n, n.store, now, false
}
