package registry

import (
	"fmt"
	"time"
)

// upkeepInterval is how often Run shows that it is awake and does what has no time of
// its own.
const upkeepInterval = 200 * time.Millisecond

// pauseLimit is how late Run may be before the process counts as having been stopped: by
// a signal, a debugger, or a machine that stood still.
const pauseLimit = time.Second

// forgetBatch bounds how many removals are forgotten while the mutex is held once.
const forgetBatch = 256

// upkeep forgets old removals, takes overdue leases over, and bounds what is known of
// authors that are gone.
func (s *Store) upkeep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.compensateLocked(now)
	s.takeOverdueLocked(now)
	s.mergeDelayedLocked(now)
	s.forgetLocked(now)
	if now.Sub(s.pruned) >= pruneInterval {
		s.pruned = now
		s.adoptLocked()
		s.pruneAuthorsLocked()
	}
}

// compensateLocked adds the time that the process was stopped to all deadlines: the
// hosts could not renew in it.
func (s *Store) compensateLocked(now time.Time) {
	if s.beat.IsZero() {
		return
	}
	if late := now.Sub(s.beat) - upkeepInterval; late > pauseLimit {
		s.leases.epoch = s.leases.epoch.Add(late)
		clear(s.pending)
		s.stats.pauses.Add(1)
		s.log.Warn("this process was stopped for a while; all leases are given that time", "pause", late.String())
	}
	s.beat = now
}

func (s *Store) forgetLocked(now time.Time) {
	for range forgetBatch {
		r := s.graves.due(s.leases.instant(now))
		if r == nil {
			return
		}
		r.author.forgotten = max(r.author.forgotten, r.seq)
		s.graves.drop(r)
	}
}

// pruneInterval is how often authors that are gone are looked through.
const pruneInterval = 10 * time.Second

// maxForgotten bounds the authors that are only known because of removals forgotten here.
const maxForgotten = 256

// pruneAuthorsLocked drops the authors of which nothing is left.
func (s *Store) pruneAuthorsLocked() {
	kept := 0
	for _, a := range s.inOrderLocked() {
		switch {
		case a.alive || a.log.Len() > 0:
		case a.forgotten == 0 || kept >= maxForgotten:
			delete(s.authors, a.id)
		default:
			kept++
		}
	}
}

// resetSession replaces this node's copy by that of a peer: it has missed removals that
// nobody remembers any more. Everything it holds stays until all parts have come; then
// what the peer has seen and no longer holds goes. The parts may come in any order.
type resetSession struct {
	token     uint64
	parts     map[uint64]bool
	last      *digest // what came with the last part, nil before
	lastPart  uint64
	confirmed map[*author]map[uint64]struct{}
}

// confirm notes that the peer holds a record. A nil session notes nothing.
func (r *resetSession) confirm(by *author, seq uint64) {
	if r == nil {
		return
	}
	if r.confirmed[by] == nil {
		r.confirmed[by] = make(map[uint64]struct{})
	}
	r.confirmed[by][seq] = struct{}{}
}

// isComplete tells whether all parts have come.
func (r *resetSession) isComplete() bool {
	return r.last != nil && uint64(len(r.parts)) == r.lastPart+1
}

// beginPart makes a part's session the present one: a peer that begins anew, or another
// one, replaces the one before.
func (s *Store) beginPart(head deltaHead) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reset == nil || s.reset.token != head.token {
		s.reset = &resetSession{token: head.token, parts: map[uint64]bool{}, confirmed: map[*author]map[uint64]struct{}{}}
	}
}

// endPart notes that a part has been applied, and ends the session with the last of them.
func (s *Store) endPart(head deltaHead, marks []byte) error {
	var last *digest
	if head.flags&deltaLast != 0 {
		var err error
		if last, err = parseDigest(marks); err != nil {
			return fmt.Errorf("end of a reset: %w", err)
		}
	}
	s.mu.Lock()
	session := s.reset
	if session == nil || session.token != head.token {
		s.mu.Unlock()
		return nil
	}
	session.parts[head.part] = true
	if last != nil {
		session.last, session.lastPart = last, head.part
	}
	complete := session.isComplete()
	if complete {
		s.reset = nil
	}
	s.mu.Unlock()
	if complete {
		s.sweep(session)
	}
	return nil
}

// sweep drops what the peer has seen and does not hold.
func (s *Store) sweep(session *resetSession) {
	dropped := 0
	for _, a := range s.known(session.last) {
		seen, listed := session.last.marks[a.id]
		s.eachRecord(a, func(now time.Time, r *record) {
			_, confirmed := session.confirmed[a][r.seq]
			switch {
			case confirmed, r.is(derived):
				return
			case a == s.self && r.seq > max(seen.have, s.told), a != s.self && listed && r.seq > seen.have:
				return // the peer has not seen it
			}
			s.dropLocked(now, r)
			dropped++
		})
		s.catchUp(a, seen.have)
	}
	s.stats.resets.Add(1)
	s.log.Info("entries that were removed while this node was away are gone", "dropped", dropped)
}

// known returns the authors that this node or a digest knows.
func (s *Store) known(d *digest) []*author {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range d.marks {
		s.authorLocked(id)
	}
	return s.inOrderLocked()
}

// catchUp notes that an author has been seen up to a number, and that removals of it are
// forgotten.
func (s *Store) catchUp(a *author, have uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a != s.self && have > 0 {
		a.saw(span{0, have})
		a.forgotten = max(a.forgotten, 1)
	}
}

// dropLocked lets go of a record as if there had been a removal that is forgotten since.
func (s *Store) dropLocked(now time.Time, r *record) {
	if !r.kind.lives() {
		s.graves.drop(r)
		return
	}
	at, err := s.tree.find(r.key)
	if err != nil || at.node.rec != r {
		return
	}
	if !at.node.IsDir() {
		s.takeAwayLocked(now, at, Delete, nil)
		return
	}
	node := *at.node
	s.leases.release(node.lease())
	node.rec, node.grant = nil, nil
	r.retire()
	s.tree.put(at, &node)
	s.pruneLocked(now, node.Key)
}
