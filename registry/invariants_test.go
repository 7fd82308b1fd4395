package registry

import (
	"cmp"
	"math"
	"reflect"
	"slices"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// check compares the whole state and the invariants of its parts.
func (m *machine) check(t *rapid.T) {
	if diff := differ(m.model.entries, entries(m.store)); diff != "" {
		t.Fatalf("tree (-model +store):\n%s", diff)
	}
	for _, w := range m.watches {
		m.delivered(t, w)
	}
	for _, k := range m.kept {
		if now := looks(k.node); now != k.looks {
			t.Fatalf("a published node of %s has changed from %+v to %+v", k.node.Key, k.looks, now)
		}
	}
	checkLeases(t, m.store)
	checkListings(t, m.store)
	m.checkStats(t)
}

func (m *machine) checkStats(t *rapid.T) {
	want := Stats{
		Index: m.store.Index(), History: len(m.log), HistoryLimit: DefaultHistory,
		Renewals: m.renewals, Expirations: m.expirations, Prefixes: map[string]PrefixStats{},
	}
	for key, e := range m.model.entries {
		want.Bytes += int64(len(key) + len(e.Value))
		if e.Dir {
			want.Dirs++
		} else {
			want.Files++
			p := want.Prefixes[key.prefix()]
			p.Files++
			if !e.Ends.IsZero() {
				p.Leases++
			}
			want.Prefixes[key.prefix()] = p
		}
		if !e.Ends.IsZero() {
			want.Leases++
		}
	}
	for a := range want.Operations {
		want.Operations[a] = Operations{m.ok[a], m.failed[a]}
	}
	for _, w := range m.watches {
		if !w.done {
			want.Watchers++
		}
	}
	got := m.store.Stats()
	want.Watches, want.HistoryBytes = got.Watches, got.HistoryBytes
	want.Replication = ReplicationStats{Authors: 1, ClockAhead: got.Replication.ClockAhead} // a node alone remembers no removals
	if diff := differ(want, got); diff != "" {
		t.Fatalf("stats (-model +store):\n%s", diff)
	}
}

// differ describes how two values differ, "" when they do not.
func differ(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return "" // the common case, and much faster than to describe
	}
	return gocmp.Diff(want, got)
}

// answer turns what the store says into the model's terms.
func answer(e *Event, err error) outcome {
	if err != nil {
		refused := err.(*Error) //nolint:errorlint // the store promises this very type
		return refuse(refused.Code, Key(refused.Cause))
	}
	o := outcome{Action: e.Action, Key: e.Node.Key, After: looks(e.Node)}
	if e.Prev != nil {
		before := looks(e.Prev)
		o.Before = &before
	}
	return o
}

func looks(n *Node) entry {
	return entry{n.IsDir(), n.Value, n.CreatedIndex, n.ModifiedIndex, n.TTL(), n.Expiration(time.Now())}
}

func shown(l Listing) shownEntry {
	one := shownEntry{Key: l.Key, Entry: looks(l.Node)}
	for _, entry := range l.Entries {
		one.Entries = append(one.Entries, shown(entry))
	}
	return one
}

// entries returns all that is in the tree, hidden names too.
func entries(s *Store) map[Key]entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := map[Key]entry{}
	walk(s.tree.root, func(n *Node) {
		if n.Key != Root {
			all[n.Key] = looks(n)
		}
	})
	return all
}

// checkLeases fails unless the queue holds exactly the leases of the tree, in order.
func checkLeases(t rapid.TB, s *Store) {
	t.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	walk(s.tree.root, func(node *Node) {
		l := node.lease()
		if (l != nil) != node.HasLease() {
			t.Fatalf("%s expires at %v, lease %v", node.Key, node.Expiration(time.Now()), l)
		}
		if l == nil {
			return
		}
		n++
		if l.pos >= len(s.leases.heap) || s.leases.heap[l.pos] != l || l.key != node.Key || !s.leases.time(l.deadline).Equal(node.Expiration(time.Now())) {
			t.Fatalf("%s expires at %v, the queue has %+v", node.Key, node.Expiration(time.Now()), l)
		}
	})
	if n != len(s.leases.heap) {
		t.Fatalf("%d leases in the queue, %d in the tree", len(s.leases.heap), n)
	}
	for i, l := range s.leases.heap {
		if l.queued > l.deadline || i > 0 && l.queued < s.leases.heap[(i-1)/2].queued {
			t.Fatalf("the queue is out of order at %d: %+v", i, l)
		}
	}
}

// checkListings fails unless each directory's cached listings equal fresh ones.
func checkListings(t rapid.TB, s *Store) {
	t.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	walk(s.tree.root, func(n *Node) {
		if !n.IsDir() {
			return
		}
		for what := range nScopes {
			fresh, _ := n.snapshot(what, 1)
			cached := s.tree.list(n, what).listing
			if diff := differ(shown(fresh), shown(cached)); diff != "" {
				t.Fatalf("listing of %s (-fresh +cached):\n%s", n.Key, diff)
			}
			if !slices.IsSortedFunc(cached.Entries, func(a, b Listing) int { return cmp.Compare(a.Key, b.Key) }) {
				t.Fatalf("listing of %s is not sorted", n.Key)
			}
		}
	})
	if s.index.last > math.MaxUint64>>11 {
		t.Fatalf("index %d has more than 53 bits", s.index.last)
	}
}
