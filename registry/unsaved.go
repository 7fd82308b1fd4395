package registry

// unsaved is what of the state the journal does not hold yet. It belongs to the store and is
// guarded by its mutex.
//
// Nothing is queued: a key that changes again before its turn is written once. All that is
// unsaved at one moment becomes one commit, with the marks of the authors at that moment, so
// that the journal holds the state as it was at some time, and never a mark without all the
// records that it stands for.
type unsaved struct {
	on       bool
	keys     map[Key]struct{} // whose records in the journal are not those of the state
	sync     bool             // something among them must survive a power loss
	marks    map[uint64]savedMark
	meta     savedMeta     // as the marks, what the journal holds
	underWay *commit       // the latest that was handed to the journal
	next     *commit       // which will hold all this
	wake     chan struct{} // one slot: somebody waits for it
}

func newUnsaved() *unsaved {
	return &unsaved{underWay: newCommit(), next: newCommit(), wake: make(chan struct{}, 1)}
}

// track begins to note changes. What was loaded is in the journal.
func (u *unsaved) track(l *loader) {
	u.on, u.keys = true, make(map[Key]struct{})
	u.marks, u.meta = l.marks, l.meta
}

// call has Keep look at once.
func (u *unsaved) call() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// add notes that the records of a key have changed.
func (u *unsaved) add(key Key, sync bool) {
	if u.on {
		u.keys[key] = struct{}{}
		u.sync = u.sync || sync
	}
}

// put notes that a node takes the place of another, nil for none. A renewal changes no record.
func (u *unsaved) put(prev, node *Node) {
	switch {
	case prev == nil:
		u.add(node.Key, !node.HasLease())
	case prev.rec != node.rec:
		u.add(node.Key, !node.HasLease() || !prev.HasLease())
	}
}

// remove notes that a node goes.
func (u *unsaved) remove(n *Node) { u.add(n.Key, !n.HasLease()) }

// bury notes that what is remembered of a removed key has changed.
func (u *unsaved) bury(key Key, to grave) {
	u.add(key, to.cut != nil || to.entry != nil && to.entry.kind != kindExpire)
}

// collectBatch bounds how many keys are encoded while the mutex is held once.
const collectBatch = 512

// collect returns all that is unsaved, whether it must survive a power loss, and the commit
// that it makes.
func (s *Store) collect() (changes []Change, sync bool, c *commit) {
	for c == nil {
		changes, sync, c = s.collectMore(changes, sync)
	}
	return changes, sync, c
}

// collectMore adds some of what is unsaved. The commit is nil unless that was the rest.
func (s *Store) collectMore(changes []Change, sync bool) ([]Change, bool, *commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.unsaved
	if !u.on {
		return nil, false, u.next // which has ended
	}
	left := collectBatch
	for key := range u.keys {
		if left--; left < 0 {
			return changes, sync, nil
		}
		delete(u.keys, key)
		changes = append(changes, s.savedKeyLocked(key))
	}
	changes = s.savedMarksLocked(changes)
	sync = u.sync
	u.sync, u.underWay, u.next = false, u.next, newCommit()
	return changes, sync, u.underWay
}

// savedMarksLocked adds what has changed of the authors' marks and of the store itself.
func (s *Store) savedMarksLocked(changes []Change) []Change {
	u := s.unsaved
	for id, a := range s.authors {
		if m := a.saved(); m != u.marks[id] {
			u.marks[id] = m
			changes = append(changes, m.change(id))
		}
	}
	for id := range u.marks {
		if s.authors[id] == nil {
			delete(u.marks, id)
			changes = append(changes, Change{Key: markKey(id)})
		}
	}
	if m := s.savedMeta(); m != u.meta {
		u.meta = m
		changes = append(changes, m.change())
	}
	return changes
}
