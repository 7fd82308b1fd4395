package registry

import (
	"math"
	"slices"
	"time"
)

// An entry whose owner is gone is an orphan: it stays for one more TTL, counted on each
// node's own monotonic clock, so that its host has time to say itself at another node.

// orphanBatch bounds how many entries change hands while the mutex is held once.
const orphanBatch = 256

// Alive tells the store which authors are alive, the own one included. The leases of
// those that are gone begin to run here; those of authors that are back are theirs again,
// and what had expired here in the meantime comes back from them. Not to be called
// concurrently.
func (s *Store) Alive(authors []uint64) {
	for _, a := range s.noteAlive(authors) {
		if a.alive {
			s.welcome(a)
		} else {
			s.orphan(a)
		}
	}
	s.expireAndWake()
}

// noteAlive returns the authors that are newly there or newly gone.
func (s *Store) noteAlive(ids []uint64) []*author {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []*author
	for _, id := range ids {
		if a := s.authorLocked(id); !a.alive {
			a.alive = true
			s.resendLocked(a)
			changed = append(changed, a)
		}
	}
	for id, a := range s.authors {
		if a != s.self && a.alive && !slices.Contains(ids, id) {
			a.alive = false
			a.outbox = outbox{}
			if a.resend { // nobody will send it again before it is back
				a.resend, a.incomplete = false, true
			}
			changed = append(changed, a)
		}
	}
	s.peered = s.peered || len(ids) > 1
	return changed
}

// resendLocked passes on the heartbeats that wait for an author that was gone.
func (s *Store) resendLocked(a *author) {
	a.outbox = outbox{}
	for _, p := range s.pending {
		if p.rec.author == a {
			a.outbox.renewals = append(a.outbox.renewals, p)
		}
	}
	s.tellNews()
}

// authorLocked returns the author with an id, known or not.
func (s *Store) authorLocked(id uint64) *author {
	a := s.authors[id]
	if a == nil {
		a = &author{id: id}
		s.authors[id] = a
	}
	a.touched = time.Now()
	return a
}

// eachRecord calls do for the records of an author, with the mutex held for a batch at a
// time. Do may retire the record.
func (s *Store) eachRecord(a *author, do func(now time.Time, r *record)) {
	for from := uint64(0); ; {
		s.mu.Lock()
		batch := make([]*record, 0, orphanBatch)
		a.log.Ascend(from, func(seq uint64, r *record) bool {
			from = seq + 1
			batch = append(batch, r)
			return len(batch) < orphanBatch
		})
		now := time.Now()
		for _, r := range batch {
			do(now, r)
		}
		s.mu.Unlock()
		if len(batch) < orphanBatch {
			return
		}
	}
}

// orphan begins the grace of the leases of an author that is gone.
func (s *Store) orphan(a *author) {
	s.eachRecord(a, func(now time.Time, r *record) {
		if at, err := s.tree.find(r.key); err == nil && at.node.rec == r && at.node.HasLease() && at.node.lease() == nil {
			node := *at.node
			s.leaseLocked(now, &node, at.node, node.grant.asked())
			s.tree.put(at, &node)
		}
	})
}

// asked returns the TTL as a write asks for it.
func (g *grant) asked() time.Duration {
	if g.ttl == 0 {
		return EndAtOnce
	}
	return g.ttl
}

// welcome gives an author that is back its leases, and has sent again what may be missing.
func (s *Store) welcome(a *author) {
	s.eachRecord(a, func(_ time.Time, r *record) {
		if r.is(derived) {
			s.graves.drop(r)
			return
		}
		if at, err := s.tree.find(r.key); err == nil && at.node.rec == r && at.node.HasLease() {
			node := *at.node
			s.leaseUntilLocked(&node, at.node, node.grant.asked(), time.Time{})
			s.tree.put(at, &node)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.incomplete {
		a.askAgain()
	}
}

// isElsewhere tells whether the lease of a record is another living node's to keep.
func (s *Store) isElsewhere(r *record) bool { return r != nil && r.author != s.self && r.author.alive }

// expireAndWake has Run look at the leases anew.
func (s *Store) expireAndWake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planLocked()
}

// adoptBatch bounds how many records are looked at for that while the mutex is held once.
const adoptBatch = 512

// adoptAbove is how many authors that are gone may have records of their own.
const adoptAbove = 64

// adoptLocked puts the records of the oldest authors that are gone into the circulation
// of this node, so that their number is bounded however often nodes start anew. The
// versions stay as they are. The author that is the youngest alive does it for all.
func (s *Store) adoptLocked() {
	var gone []*author
	for id, a := range s.authors {
		switch {
		case a.alive && id > s.self.id:
			return
		case !a.alive && a.log.Len() > a.derived:
			gone = append(gone, a)
		}
	}
	slices.SortFunc(gone, func(a, b *author) int { return cmpID(a.id, b.id) })
	left := adoptBatch
	for _, a := range gone[:max(len(gone)-adoptAbove, 0)] {
		from := uint64(0)
		for left > 0 {
			var next *record
			a.log.Ascend(from, func(_ uint64, r *record) bool { next = r; return false })
			if next == nil {
				break
			}
			s.adoptRecordLocked(next)
			from = next.seq + 1
			left--
		}
	}
}

func cmpID(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

func (s *Store) adoptRecordLocked(old *record) {
	if old.kind.lives() && old.is(leased) || old.moves == math.MaxUint8 {
		return // a lease ends by itself or is taken over
	}
	r := &record{
		key: old.key, time: old.time, node: old.node, kind: old.kind, action: old.action,
		flags: old.flags &^ derived, until: old.until, moves: old.moves + 1,
	}
	if !old.kind.lives() {
		s.circulateLocked(r)
		s.graves.bury(r, old.until)
		return
	}
	at, err := s.tree.find(old.key)
	if err != nil || at.node.rec != old {
		return
	}
	node := *at.node
	node.rec = s.circulateLocked(r)
	old.retire()
	s.tree.put(at, &node)
}
