package registry

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"
)

// Snapshot is what a store held at one moment, for a backup. It does not change, and keeps
// what it holds in memory for as long as it is there itself.
type Snapshot struct {
	Index uint64    // the node's index
	Time  time.Time // by the node's clock
	// Stamp is above the versions of all that the store had seen, see [NewRestoration].
	Stamp uint64

	nodes []*Node // in the order of Key.compare
}

// Entry is a key of a [Snapshot], with all that a backup keeps of it.
type Entry struct {
	Key           Key
	Value         string // "" for a directory
	Dir           bool
	CreatedIndex  uint64
	ModifiedIndex uint64
	// Leased entries go away by themselves: TTL is the lease as it was granted, Left how
	// much of it was left.
	Leased    bool
	TTL, Left time.Duration
}

// Len returns how many entries there are, directories and hidden keys included.
func (s *Snapshot) Len() int { return len(s.nodes) }

// Entries yields all entries. A directory comes before what is in it, and the names in it come
// in their order, each with all that is below it before the next.
func (s *Snapshot) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, n := range s.nodes {
			if !yield(n.asEntry(s.Time)) {
				return
			}
		}
	}
}

func (n *Node) asEntry(now time.Time) Entry {
	e := Entry{
		Key: n.Key, Value: n.Value, Dir: n.IsDir(), CreatedIndex: n.CreatedIndex, ModifiedIndex: n.ModifiedIndex,
		Leased: n.HasLease(), TTL: n.TTL(),
	}
	if e.Leased {
		e.Left = max(n.Expiration(now).Sub(now), 0)
	}
	return e
}

// snapshotBatch bounds how many nodes are looked at while the mutex is held once.
const snapshotBatch = 1024

// Snapshot returns the state of one moment. Writers go on meanwhile: the tree is looked at in
// batches, and of what changes in between the nodes of that moment are kept.
func (s *Store) Snapshot() *Snapshot {
	s.picturing.Lock()
	defer s.picturing.Unlock()
	snap, p := s.beginPicture()
	for s.extendPicture(p, snapshotBatch) {
	}
	s.endPicture()
	snap.nodes = p.merged()
	return snap
}

// beginPicture takes the moment.
func (s *Store) beginPicture() (*Snapshot, *picture) {
	now := s.lockWhenNothingIsDue()
	defer s.mu.Unlock()
	p := &picture{nodes: make([]*Node, 0, s.tree.files+s.tree.dirs), before: make(map[Key]*Node)}
	s.tree.picture = p
	return &Snapshot{Index: s.index.last, Time: now, Stamp: s.clock.next(now, s.clock.highest)}, p
}

// extendPicture looks at some more nodes and tells whether there may be others.
func (s *Store) extendPicture(p *picture, most int) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.tree.root.dir.walkAfter(strings.TrimPrefix(string(p.last), "/"), func(n *Node) bool {
		p.nodes = append(p.nodes, n)
		p.last = n.Key
		most--
		return most > 0
	})
}

func (s *Store) endPicture() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree.picture = nil
}

// picture is a snapshot in the making. Before is guarded by the store's mutex as long as the
// tree has the picture; the rest belongs to who makes it.
type picture struct {
	nodes  []*Node
	last   Key           // up to there the tree was looked at
	before map[Key]*Node // of what has changed since the moment, as it was then; nil for what was not there
}

// keep notes what a key held before a change. A nil picture needs nothing.
func (p *picture) keep(key Key, n *Node) {
	if p == nil {
		return
	}
	if _, has := p.before[key]; !has {
		p.before[key] = n
	}
}

// merged returns the nodes of the moment in order.
func (p *picture) merged() []*Node {
	if len(p.before) == 0 {
		return p.nodes
	}
	changed := make([]Key, 0, len(p.before))
	for key := range p.before {
		changed = append(changed, key)
	}
	slices.SortFunc(changed, Key.compare)
	out := make([]*Node, 0, len(p.nodes)+len(changed))
	add := func(key Key) {
		if n := p.before[key]; n != nil {
			out = append(out, n)
		}
	}
	for _, n := range p.nodes {
		for len(changed) > 0 && changed[0].compare(n.Key) < 0 {
			add(changed[0])
			changed = changed[1:]
		}
		if len(changed) > 0 && changed[0] == n.Key {
			continue // it is added from before
		}
		out = append(out, n)
	}
	for _, key := range changed {
		add(key)
	}
	return out
}

// compare orders keys as a walk through the tree comes by them: a directory, then what is in
// it, then what comes after it by name.
func (k Key) compare(other Key) int {
	for i := range min(len(k), len(other)) {
		a, b := k[i], other[i]
		switch {
		case a == b:
		case a == '/':
			return -1
		case b == '/':
			return 1
		default:
			return cmp.Compare(a, b)
		}
	}
	return cmp.Compare(len(k), len(other))
}

// IsAfter tells whether k comes after another key in a [Snapshot].
func (k Key) IsAfter(other Key) bool { return k.compare(other) > 0 }
