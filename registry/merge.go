package registry

import "time"

// This file decides what stands when records meet. The rules, which do not depend on the
// order in which records arrive:
//
//   - Of the records of one key the one with the highest version stands.
//   - A removal of everything below a key (a cut) ends what is at and below it and older.
//   - A file, or its removal, ends what is below it and older.
//   - A file is ended by anything below it that is newer, also by a removal: it shows
//     that the key was a directory then.
//   - A directory is there if a record of its own stands, or anything below it does.
//
// What is ended is dropped, never to be needed again: whatever ended it stands above it
// in each of these rules. A file's record that has lost its key to a directory remains
// as a cut, since it still ends what is below it and older.

// incoming is a record from another node with what is not kept in the record itself.
type incoming struct {
	*record
	value    string
	ttl      time.Duration
	residual time.Duration // how long the entry, or the memory of its removal, has left; 0: not told

	waited bool // an expiry that has given the owner of what it ends time to object
}

// mergeLocked brings a record into the state and tells whether it was news.
func (s *Store) mergeLocked(now time.Time, in *incoming) bool {
	r := in.record
	if _, known := r.author.log.Get(r.seq); known {
		return false
	}
	if s.isOverruledLocked(r) {
		s.tellDerivedLocked(r)
		return false
	}
	s.keepPendingLocked(now, r)
	held := s.heldLocked(r.key)
	switch {
	case s.isContestedLocked(held, in):
		s.contestLocked(now, held, in)
		return true
	case r.kind.isCut():
		s.mergeCutLocked(now, in)
		return true
	case held == nil || r.beats(held):
	case r.kind.isFile() && held.kind == kindDir:
		s.mergeCutLocked(now, in)
		return true
	default:
		s.tellDerivedLocked(r)
		return false
	}
	if r.kind == kindFile && r.version().isBelow(s.newestBelowLocked(r.key)) {
		s.mergeCutLocked(now, in)
		return true
	}
	r.enlist()
	s.displaceAboveLocked(now, r.key)
	switch r.kind {
	case kindFile:
		s.mergeFileLocked(now, in)
	case kindDir:
		s.mergeDirLocked(now, in)
	default:
		s.razeLocked(now, r.key, r.version(), r.action)
		if at, err := s.tree.find(r.key); err == nil && !at.node.IsDir() {
			s.takeAwayLocked(now, at, r.action, nil) // of the same version
		}
		s.buryLocked(now, r, in.residual)
	}
	return true
}

// isOverruledLocked tells whether something at or above a record's key ends it.
func (s *Store) isOverruledLocked(r *record) bool {
	v := r.version()
	at := s.tree.root
	for key := range r.key.path() {
		grave := s.graves.at(key)
		if grave.cut != nil && v.isBelow(grave.cut.version()) {
			return true
		}
		if key == r.key {
			return r.kind.isCut() && grave.cut != nil && !r.beats(grave.cut)
		}
		if grave.entry != nil && v.isBelow(grave.entry.version()) {
			return true
		}
		if at != nil && key != Root {
			at = at.entry(key.Name())
		}
		if at != nil && !at.IsDir() && v.isBelow(at.rec.version()) {
			return true
		}
	}
	return false
}

// path yields the root and every ancestor of a key on the way to it, and the key.
func (k Key) path() func(yield func(Key) bool) {
	return func(yield func(Key) bool) {
		if !yield(Root) || k == Root {
			return
		}
		for i := 1; i < len(k); i++ {
			if k[i] == '/' && !yield(k[:i]) {
				return
			}
		}
		yield(k)
	}
}

// entry returns the entry of a directory, nil if there is none.
func (n *Node) entry(name string) *Node {
	if !n.IsDir() {
		return nil
	}
	found, _ := n.dir.entries.Get(name)
	return found
}

// heldLocked returns the record that stands for a key, nil if there is none.
func (s *Store) heldLocked(key Key) *record {
	if at, err := s.tree.find(key); err == nil && at.node.rec != nil {
		return at.node.rec
	}
	return s.graves.at(key).entry
}

// newestBelowLocked returns the highest version below a key.
func (s *Store) newestBelowLocked(key Key) version {
	var newest version
	note := func(r *record) {
		if r != nil && newest.isBelow(r.version()) {
			newest = r.version()
		}
	}
	if at, err := s.tree.find(key); err == nil && at.node.IsDir() {
		walk(at.node, func(n *Node) {
			if n != at.node {
				note(n.rec)
			}
		})
	}
	for _, r := range s.graves.below(key) {
		note(r)
	}
	return newest
}

// mergeCutLocked merges a cut, or what remains of a record that has lost its key to a
// directory.
func (s *Store) mergeCutLocked(now time.Time, in *incoming) {
	r := in.record
	if !r.kind.isCut() {
		r.kind = r.kind.asCut()
		r.flags &^= leased
		in.residual = 0
	}
	r.enlist()
	s.displaceAboveLocked(now, r.key)
	s.razeLocked(now, r.key, r.version(), r.action)
	s.buryLocked(now, r, in.residual)
}

func (s *Store) mergeFileLocked(now time.Time, in *incoming) {
	r := in.record
	if at, err := s.tree.find(r.key); err == nil && at.node.IsDir() {
		s.razeLocked(now, r.key, r.version(), Delete)
	} else {
		s.razeGravesLocked(r.key, r.version())
	}
	s.supersedeLocked(now, r)
	at, err := s.tree.reach(r.key, s.index.next(now), nil)
	if err != nil || at.node != nil && at.node.IsDir() {
		s.foldLocked(now, r) // of the same version as something above or below, which no node writes
		return
	}
	index := s.index.take(now)
	node := &Node{Key: r.key, Value: in.value, CreatedIndex: index, ModifiedIndex: index, rec: r}
	e := &Event{Action: r.action, Node: node, at: now.UnixNano()}
	silent := false
	if prev := at.node; prev != nil {
		prev.rec.retire()
		e.Prev = prev
		node.Key = prev.Key
		same := prev.rec.version() == r.version() // only in another circulation
		if same || r.action == Update || r.action == CompareAndSwap {
			node.CreatedIndex = prev.CreatedIndex
		}
		silent = same || prev.Value == in.value && (r.is(quiet) || s.isRenewal(prev, PutOptions{Value: in.value, TTL: in.ttl}))
	}
	s.leaseFromAfarLocked(now, node, at.node, in)
	s.tree.put(at, node)
	s.yieldLocked(now, node, at.node)
	s.publishLocked(e, silent)
}

func (s *Store) mergeDirLocked(now time.Time, in *incoming) {
	r := in.record
	if at, err := s.tree.find(r.key); err == nil && !at.node.IsDir() {
		s.displaceLocked(now, at)
	}
	s.supersedeLocked(now, r)
	at, err := s.tree.reach(r.key, s.index.next(now), nil)
	if err != nil {
		r.retire()
		return
	}
	if at.node == nil {
		index := s.index.take(now)
		node := &Node{Key: r.key, CreatedIndex: index, ModifiedIndex: index, rec: r, dir: &dir{parent: at.dir}}
		s.leaseFromAfarLocked(now, node, nil, in)
		s.tree.put(at, node)
		s.publishLocked(&Event{Action: r.action, Node: node.withoutEntries(), at: now.UnixNano()}, r.is(quiet))
		return
	}
	prev := at.node
	prev.rec.retire()
	node := *prev
	node.rec = r
	s.leaseFromAfarLocked(now, &node, prev, in)
	s.tree.put(at, &node)
	s.yieldLocked(now, &node, prev)
	if prev.TTL() == node.TTL() && prev.HasLease() == node.HasLease() || r.is(quiet) {
		return
	}
	shown := *node.withoutEntries()
	shown.ModifiedIndex = s.index.take(now)
	s.publishLocked(&Event{Action: Update, Node: &shown, Prev: prev.withoutEntries(), at: now.UnixNano()}, false)
}

// leaseFromAfarLocked gives a merged entry its lease: at its owner while that is alive,
// and here what is left of it when the owner is gone.
func (s *Store) leaseFromAfarLocked(now time.Time, node, prev *Node, in *incoming) {
	ttl := in.ttl
	if in.is(leased) && ttl == 0 {
		ttl = EndAtOnce
	}
	left := ttl
	if in.residual > 0 {
		left = min(left, in.residual)
	}
	s.leaseUntilLocked(node, prev, ttl, now.Add(left))
}

// razeLocked ends everything at and below a key that is older than v.
func (s *Store) razeLocked(now time.Time, key Key, v version, action Action) {
	s.razeGravesLocked(key, v)
	if at, err := s.tree.find(key); err == nil && key != Root {
		s.razeTreeLocked(now, at, v, action)
	}
}

// razeGravesLocked forgets the removals at and below a key that something newer includes.
func (s *Store) razeGravesLocked(key Key, v version) {
	at := s.graves.at(key)
	for _, r := range append(s.graves.below(key), at.entry, at.cut) {
		if r != nil && r.version().isBelow(v) {
			s.graves.drop(r)
		}
	}
}

// razeTreeLocked takes away the nodes from a place on that are older than v. Where
// something newer lives below, the watches are told of each node that goes instead of one
// that stands for all.
func (s *Store) razeTreeLocked(now time.Time, at place, v version, action Action) {
	if !at.node.outlives(v) {
		s.takeAwayLocked(now, at, action, nil)
		return
	}
	if !at.node.IsDir() {
		return
	}
	for _, entry := range at.node.dir.entries.Values() {
		s.razeTreeLocked(now, place{key: entry.Key, name: entry.Key.Name(), dir: at.node.dir, node: entry}, v, action)
	}
	if r := at.node.rec; r != nil && r.version().isBelow(v) {
		r.retire()
		node := *at.node
		s.leases.release(node.lease())
		node.rec, node.grant = nil, nil
		s.tree.put(at, &node)
	}
}

// outlives tells whether anything from a node on is not older than v.
func (n *Node) outlives(v version) bool {
	if n.rec != nil && !n.rec.version().isBelow(v) {
		return true
	}
	found := false
	if n.IsDir() {
		n.dir.entries.Scan(func(_ string, entry *Node) bool {
			found = entry.outlives(v)
			return !found
		})
	}
	return found
}

// displaceAboveLocked ends a file above a key, for something newer is below it.
func (s *Store) displaceAboveLocked(now time.Time, key Key) {
	if at, err := s.tree.find(key); err != nil && err.Code == CodeNotDir {
		s.displaceLocked(now, at)
	}
}

// displaceLocked takes away a file whose key has become a directory.
func (s *Store) displaceLocked(now time.Time, at place) {
	r := at.node.rec
	s.takeAwayLocked(now, at, Delete, r)
	s.foldLocked(now, r)
}

// supersedeLocked lets go of a removal that an entry takes the place of.
func (s *Store) supersedeLocked(now time.Time, by *record) {
	if s.graves.byKey.Len() == 0 {
		return
	}
	at := s.graves.at(by.key)
	old := at.entry
	if old == nil {
		return
	}
	at.entry = nil
	s.graves.set(by.key, at)
	if by.kind == kindDir {
		s.foldLocked(now, old)
	} else {
		old.retire()
	}
}

// foldLocked keeps of a file's record that nothing older may live below its key.
func (s *Store) foldLocked(now time.Time, r *record) {
	if cut := s.graves.at(r.key).cut; cut != nil && !cut.version().isBelow(r.version()) {
		r.retire()
		return
	}
	r.become(r.kind.asCut())
	s.buryLocked(now, r, 0)
}

// buryLocked remembers a removal for the retention time, or for what others have left
// of it. A node that never had a peer has nobody to tell.
func (s *Store) buryLocked(now time.Time, r *record, residual time.Duration) {
	if !s.peered {
		r.retire()
		return
	}
	keep := s.retention
	if residual > 0 {
		keep = min(keep, residual)
	}
	s.graves.bury(r, s.leases.instant(now.Add(keep)))
}

// takeAwayLocked takes an entry out of the tree with all that is below it, but for the
// record to keep, and publishes that.
func (s *Store) takeAwayLocked(now time.Time, at place, action Action, keep *record) *Event {
	walk(at.node, func(n *Node) {
		s.leases.release(n.lease())
		if n.rec != keep {
			n.rec.retire()
		}
	})
	s.tree.remove(at)
	prev := at.node.withoutEntries()
	gone := &Node{Key: prev.Key, CreatedIndex: prev.CreatedIndex, ModifiedIndex: s.index.take(now), dir: prev.dir}
	e := &Event{Action: action, Node: gone, Prev: prev, at: now.UnixNano()}
	s.publishLocked(e, false)
	s.pruneLocked(now, prev.Key.Parent())
	return e
}

// pruneLocked takes away a directory that was there only for what was below it.
func (s *Store) pruneLocked(now time.Time, key Key) {
	if key == Root {
		return
	}
	at, err := s.tree.find(key)
	if err == nil && at.node.IsDir() && at.node.rec == nil && at.node.dir.entries.Len() == 0 {
		s.takeAwayLocked(now, at, Delete, nil)
	}
}

// floorLocked returns a time that a new record of a key must exceed to stand. It
// matters only while some node's clock is ahead of the others'.
func (s *Store) floorLocked(now time.Time, key Key, k kind) uint64 {
	if !s.clock.isBehind(now) {
		return 0
	}
	floor := uint64(0)
	note := func(r *record) {
		if r != nil {
			floor = max(floor, r.time)
		}
	}
	at := s.tree.root
	for above := range key.path() {
		if at != nil && above != Root {
			at = at.entry(above.Name())
		}
		grave := s.graves.at(above)
		note(grave.cut)
		note(grave.entry)
		if at != nil && (above == key || !at.IsDir()) {
			note(at.rec)
		}
	}
	if k.isFile() || k.isCut() {
		floor = max(floor, s.newestBelowLocked(key).time)
	}
	return floor
}
