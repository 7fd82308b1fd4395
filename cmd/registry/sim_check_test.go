package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/registry"
)

// settleTime is how long after a fault the checker asks no more of two nodes than that
// each is right by itself: the others have to notice, and orphans to run out.
const settleTime = 20*time.Second + 2*simMaxTTL

// check looks at everything that must hold at any moment.
func (s *sim) check() {
	synctest.Wait() // from here on nothing happens by itself
	for _, n := range s.nodes {
		if n.up {
			n.followWatch()
		}
	}
	for _, k := range s.keys {
		calm := s.isWhole() && !slices.ContainsFunc(s.nodes, func(n *simNode) bool { return !n.serves() }) && time.Since(s.shaken) > healBound && time.Since(k.at) > healBound
		k.safe = k.safe || calm && k.by != nil && k.by.serves()
		k.doubted = k.doubted || !k.safe && k.boot != nil && (!k.by.up || k.by.store != k.boot)
	}
	for _, h := range s.hosts {
		s.checkHost(h)
	}
}

// followWatch applies what the node's watch tells to a copy, which must then be what the
// node lists: every change once, in order, none left out.
func (n *simNode) followWatch() {
	listed := n.listed() // first, for a read ends what is due
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		notice, err := n.watch.Next(ended)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				n.sim.failf("%v: watch: %v", n, err)
			}
			break
		}
		if notice.Index() <= n.last {
			n.sim.failf("%v: event %d after %d", n, notice.Index(), n.last)
		}
		n.last = notice.Index()
		n.see(notice.Event)
	}
	if !maps.Equal(listed, n.seen) {
		n.sim.failf("%v: its watch and its listing differ (-watch +listing):\n%s", n, cmp.Diff(n.seen, listed))
	}
	if index := n.store.Index(); index < n.last {
		n.sim.failf("%v: index %d after event %d", n, index, n.last)
	}
}

// see applies one event to the copy of files.
func (n *simNode) see(e *registry.Event) {
	switch e.Action {
	case registry.Delete, registry.CompareAndDelete, registry.Expire:
		if !e.Node.IsDir() {
			if _, ok := n.seen[e.Node.Key]; !ok {
				n.sim.failf("%v: %s of %s, which was not there", n, e.Action, e.Node.Key)
			}
		}
		for key := range n.seen {
			if key == e.Node.Key || key.IsBelow(e.Node.Key) {
				delete(n.seen, key)
			}
		}
	default:
		if !e.Node.IsDir() {
			n.seen[e.Node.Key] = e.Node.Value
		}
	}
}

// listed returns the files of a node with their values.
func (n *simNode) listed() map[registry.Key]string {
	files := map[registry.Key]string{}
	r, err := n.store.Get(registry.Root, registry.GetOptions{Recursive: true})
	if err != nil {
		n.sim.failf("%v: list: %v", n, err)
	}
	collect(r.Listing, files)
	return files
}

func collect(l registry.Listing, into map[registry.Key]string) {
	if !l.IsDir() {
		into[l.Key] = l.Value
	}
	for _, entry := range l.Entries {
		collect(entry, into)
	}
}

// checkHost tests that a host whose latest heartbeat was answered within its TTL is there:
// where it was answered, and, when nothing has gone wrong for long, everywhere.
func (s *sim) checkHost(h *simHost) {
	if !h.died.IsZero() || h.by == nil || h.since.IsZero() || time.Since(h.acked) >= h.ttl {
		return
	}
	if h.by.up && h.by.store == h.boot && h.isMissed(h.by) {
		s.failf("%v lacks %s=%s %v after it has answered its heartbeat; it has %q", h.by, h.key, h.value, time.Since(h.acked), h.by.seen[h.key])
	}
	if time.Since(s.shaken) < settleTime || time.Since(h.since) < 5*time.Second {
		return
	}
	for _, n := range s.nodes {
		if n.serves() && s.isWhole() && h.isMissed(n) {
			s.failf("%v has %q for %s, which heartbeats at %v and is %s", n, n.seen[h.key], h.key, h.by, h.value)
		}
	}
}

// isWhole tells whether no node is cut off. One whose packets are cut lives by its streams;
// where these are lost, too, the others may well take it for dead.
func (s *sim) isWhole() bool { return len(s.links) == 0 && (!s.deaf || !s.lossy) }

// isMissed tells whether a node lacks the host for longer than it may. With a network that is
// whole and loses nothing it may not at all. While nodes are cut off, or streams are lost,
// the owner that they know may let a lease run out that was renewed elsewhere; the host is
// back with its next heartbeat at the latest.
func (h *simHost) isMissed(n *simNode) bool {
	if h.isAt(n) {
		delete(h.missing, n)
		return false
	}
	since, known := h.missing[n]
	if !known {
		since = time.Now()
		h.missing[n] = since
	}
	calm := !h.sim.lossy && h.sim.isWhole() && time.Since(h.sim.shaken) > settleTime
	return calm || time.Since(since) > h.ttl/3+time.Second
}

// isAt tells whether a node has the host, with its value if that is clear.
func (h *simHost) isAt(n *simNode) bool {
	value, ok := n.seen[h.key]
	return ok && (value == h.value || h.sim.skewed)
}

// isSettled tells whether nothing about a key is under way.
func (s *sim) isSettled(key string) bool {
	for _, h := range s.hosts {
		if string(h.key) == key {
			return h.died.IsZero() && !h.since.IsZero() && time.Since(h.since) > 3*time.Second
		}
	}
	for _, k := range s.keys {
		if k.key == key {
			return time.Since(k.at) > 3*time.Second
		}
	}
	return true
}

// checkEqual tests that all nodes list the same, but for keys that are still on their way.
func (s *sim) checkEqual(when string, counts func(key string) bool) {
	for _, n := range s.nodes {
		if !n.serves() {
			s.failf("%s: %v is not ready: %v", when, n, n.cluster.gossip.Ready())
		}
	}
	if n, difference := s.difference(counts); difference != "" {
		s.failf("%s: %v and %v differ (-%v +%v):\n%s", when, s.nodes[0], n, s.nodes[0], n, difference)
	}
}

// difference returns a node that lists other files than the first one, and which; "" for none.
func (s *sim) difference(counts func(key string) bool) (*simNode, string) {
	var first map[registry.Key]string
	for _, n := range s.nodes {
		files := n.listed()
		maps.DeleteFunc(files, func(key registry.Key, _ string) bool { return !counts(string(key)) })
		if first == nil {
			first = files
		}
		if !maps.Equal(first, files) {
			return n, cmp.Diff(first, files)
		}
	}
	return nil, ""
}

// checkEnd tests what must be true when all has been well for long.
func (s *sim) checkEnd() {
	for _, h := range s.hosts {
		gone := !h.died.IsZero() && time.Since(h.died) > settleTime
		for _, n := range s.nodes {
			_, ok := n.seen[h.key]
			switch {
			case gone && ok:
				s.failf("%v has %s, which died %v ago", n, h.key, time.Since(h.died))
			case h.died.IsZero() && !h.since.IsZero() && time.Since(h.since) > 5*time.Second && !h.isAt(n):
				s.failf("%v has %q for %s, which is %s", n, n.seen[h.key], h.key, h.value)
			}
		}
	}
	for _, k := range s.keys {
		if got, ok := s.nodes[0].seen[registry.Key(k.key)]; k.boot != nil && !k.doubted && (got != k.value || ok != (k.value != "")) {
			s.failf("%s is %q (%v), should be %q as %v has answered", k.key, got, ok, k.value, k.by)
		}
	}
	for _, n := range s.nodes[1:] {
		s.checkDigests(s.nodes[0], n)
	}
}

// checkDigests tests that two nodes have seen the same. While hosts come and go the
// digests are of different moments, so they get some tries.
func (s *sim) checkDigests(a, b *simNode) {
	for range 40 {
		if bytes.Equal(a.store.Digest(), b.store.Digest()) {
			return
		}
		time.Sleep(simTick)
	}
	s.failf("the digests of %v and %v differ:\n%s\n%s", a, b, hex.EncodeToString(a.store.Digest()), hex.EncodeToString(b.store.Digest()))
}
