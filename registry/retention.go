package registry

import (
	"fmt"
	"slices"
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
	s.forgetDue()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.compensateLocked(now)
	s.takeOverdueLocked(now)
	s.mergeDelayedLocked(now)
	if now.Sub(s.pruned) >= pruneInterval {
		s.pruned = now
		s.adoptLocked()
		s.pruneAuthorsLocked(now)
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

// forgetDue forgets the removals whose time has come. Between batches others get their turn.
func (s *Store) forgetDue() {
	for s.forgetBatch() {
	}
}

func (s *Store) forgetBatch() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.leases.instant(time.Now())
	for range forgetBatch {
		r := s.graves.due(now)
		if r == nil {
			return false
		}
		r.author.forgotten = max(r.author.forgotten, r.seq)
		s.graves.drop(r)
	}
	return true
}

// pruneInterval is how often authors that are gone are looked through.
const pruneInterval = 10 * time.Second

// maxForgotten bounds the authors of which nothing is left but their marks.
const maxForgotten = 1024

// pruneAuthorsLocked drops authors of which nothing is left. The younger ones are kept for
// their marks: by these a node that was away is told what it need not have any more.
func (s *Store) pruneAuthorsLocked(now time.Time) {
	kept := 0
	for _, a := range slices.Backward(s.inOrderLocked()) {
		if a.alive || a.log.Len() > 0 || now.Sub(a.touched) < pruneInterval {
			continue
		}
		if kept++; kept > maxForgotten {
			delete(s.authors, a.id)
		}
	}
}

// resetSession replaces this node's copy by that of a peer: it has missed removals that
// nobody remembers any more. Everything it holds stays until all parts have come; then
// what the peer has seen and no longer holds goes. The parts may come in any order.
type resetSession struct {
	token     uint64
	from      uint64    // the peer's author id
	progress  time.Time // when the latest part began
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

// resetTimeout is how long a replacement may stand still until another one takes its place.
const resetTimeout = 10 * time.Second

// beginPart returns the session that a delta is a part of, nil if it is of none, or of one
// that has ended or competes with the present one: then it counts as an ordinary delta.
func (s *Store) beginPart(from uint64, head deltaHead) *resetSession {
	if head.flags&deltaReset == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case head.token == s.ended:
		return nil
	case s.reset != nil && s.reset.token == head.token:
	case s.reset != nil && s.reset.from != from && now.Sub(s.reset.progress) < resetTimeout:
		return nil
	default:
		s.unclean = true
		s.reset = &resetSession{token: head.token, from: from, parts: map[uint64]bool{}, confirmed: map[*author]map[uint64]struct{}{}}
	}
	s.reset.progress = now
	return s.reset
}

// endPart notes that a part has been applied, and ends the session with the last of them.
func (s *Store) endPart(session *resetSession, head deltaHead, marks []byte) error {
	var last *digest
	if head.flags&deltaLast != 0 {
		var err error
		if last, err = parseDigest(marks); err != nil {
			return fmt.Errorf("end of a reset: %w", err)
		}
	}
	s.mu.Lock()
	session.parts[head.part] = true
	if last != nil {
		session.last, session.lastPart = last, head.part
	}
	complete := s.reset == session && session.isComplete()
	if complete {
		s.reset, s.ended = nil, session.token
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
			if confirmed || r.is(derived) || !listed || r.seq > seen.have {
				return // the last two: the peer has not seen it
			}
			s.dropLocked(now, r)
			dropped++
		})
		s.catchUp(a, seen.have)
	}
	s.mu.Lock()
	s.unclean = false
	s.mu.Unlock()
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
