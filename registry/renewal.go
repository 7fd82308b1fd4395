package registry

import "time"

// A heartbeat counts where the lease is kept: at its owner, the node that has accepted
// the entry's latest write. One that arrives elsewhere is answered at once and passed on;
// the owner says whether it still keeps the lease. This node takes the lease over, with
// a record of its own, when the owner is gone, does not answer in time, or says that the
// host has come to stay.

// takeOverAfter is how many heartbeats in a row must come by way of one other node until
// the owner gives the lease to it. Hosts behind a balancer change nodes each time.
const takeOverAfter = 3

// pendingRenewal is a heartbeat that was passed on and is not answered yet.
type pendingRenewal struct {
	rec   *record // the entry's record when the heartbeat came
	value string
	ttl   time.Duration
	since time.Time
	until time.Time // when the lease ends by this heartbeat
	yield bool      // it came before the lease was taken over from here
}

// outbox collects what is for one other node. Its size is bounded by the entries there
// are, since a heartbeat that is pending is not passed on again.
type outbox struct {
	renewals []*pendingRenewal
	verdicts []verdictOn
}

// verdict is an owner's answer to a heartbeat that was passed on.
type verdict uint8

const (
	verdictKept  verdict = iota + 1 // the lease is renewed
	verdictTake                     // renewed, and from now on the asker's to keep
	verdictEnded                    // it had run out before: the asker must write the entry anew
	verdictOther                    // something else has become of the entry, which the asker will hear of

	// objectNow is no answer: it tells an owner of the expiry, by a third node, of a later
	// version of what it may still be renewing.
	objectNow
)

type verdictOn struct {
	key        Key
	time, node uint64
	verdict    verdict       // 0 for a heartbeat
	left       time.Duration // of the lease, by the heartbeat
}

// renewLocked takes a heartbeat for an entry and returns the record that the entry has
// from now on.
func (s *Store) renewLocked(now time.Time, n *Node) *record {
	r := n.rec
	switch {
	case r.author == s.self:
		if l := n.lease(); l != nil {
			l.from, l.streak = nil, 0
		}
		return r
	case r.author.alive:
		s.forwardLocked(now, n, now.Add(n.TTL()))
		return r
	default:
		r.retire()
		s.stats.takeovers.Add(1)
		return s.recordLocked(now, n.Key, r.kind, Update, quiet|leased)
	}
}

// forwardLocked passes a heartbeat, by which the lease ends at the given time, on to the
// lease's owner.
func (s *Store) forwardLocked(now time.Time, n *Node, until time.Time) {
	if p := s.pending[n.Key]; p != nil && p.rec == n.rec {
		p.until, p.yield = until, false
		return
	}
	p := &pendingRenewal{rec: n.rec, value: n.Value, ttl: n.TTL(), since: now, until: until}
	s.pending[n.Key] = p
	to := &n.rec.author.outbox
	to.renewals = append(to.renewals, p)
	s.stats.forwarded.Add(1)
	s.tellNews()
}

// yieldLocked tells the node that has taken over a lease of this one how long the lease
// is by the heartbeats that came here: the host may say itself there only later.
func (s *Store) yieldLocked(now time.Time, n, prev *Node) {
	l := prev.lease()
	if l == nil || prev.rec.author != s.self || n.rec.author == s.self || !prev.isRepeatedBy(PutOptions{Value: n.Value, TTL: n.TTL(), Dir: n.IsDir()}) {
		return
	}
	if until := s.leases.time(l.deadline); until.After(now) {
		s.forwardLocked(now, n, until)
		s.pending[n.Key].yield = true
	}
}

// takeOverBatch bounds how many leases are taken over while the mutex is held once.
const takeOverBatch = 1024

// takeOverdueLocked takes over the leases whose owners have left a heartbeat without an
// answer for a quarter of the TTL.
func (s *Store) takeOverdueLocked(now time.Time) {
	taken := 0
	for key, p := range s.pending {
		if taken == takeOverBatch {
			return // the rest has its turn at the next upkeep
		}
		switch {
		case p.rec.author.alive && now.Sub(p.since) < p.ttl/4:
		case p.yield: // the owner has had a heartbeat of its own; it will get this one as long as it matters
			if !p.until.After(now) {
				delete(s.pending, key)
			}
		default:
			s.takeOverLocked(now, key, p)
			taken++
		}
	}
}

// takeOverLocked makes this node the owner of a lease by a heartbeat that was passed on.
// If the entry has run out in the meantime it is written anew: whoever answered the
// heartbeat has promised that it lives on.
func (s *Store) takeOverLocked(now time.Time, key Key, p *pendingRenewal) {
	delete(s.pending, key)
	held := s.heldLocked(key)
	if !p.until.After(now) || held != p.rec && !s.hasExpired(key, p.rec) {
		return
	}
	// What is known is as old as the heartbeat: a newer value must win.
	if s.assertLocked(now, p.rec, max(p.rec.time+1, s.clock.wall(p.since)), p) {
		s.stats.takeovers.Add(1)
		s.planLocked()
	}
}

// assertLocked writes a leased entry anew, under a version with the given time.
func (s *Store) assertLocked(now time.Time, old *record, stamp uint64, p *pendingRenewal) bool {
	k, action := kindFile, Set
	if old.kind == kindDir {
		k = kindDir
	}
	if held := s.heldLocked(old.key); held != nil && held.kind.lives() {
		action = Update
	}
	s.clock.observe(now, stamp) // so that no other record gets this version
	s.self.have++
	s.tellNews()
	return s.mergeLocked(now, &incoming{
		record: &record{
			key: old.key, time: stamp, node: s.self.id, author: s.self, seq: s.self.have,
			kind: k, action: action, flags: quiet | leased,
		},
		value: p.value, ttl: p.ttl, residual: p.until.Sub(now),
	})
}

// hasExpired tells whether the version of a record is known to have run out.
func (s *Store) hasExpired(key Key, r *record) bool {
	end := s.graves.at(key).entry
	return end != nil && end.kind == kindExpire && end.time == r.time && end.node == r.node
}

// renewForLocked takes a heartbeat that came to another node.
func (s *Store) renewForLocked(now time.Time, from *author, v verdictOn) verdict {
	at, err := s.tree.find(v.key)
	if err != nil || at.node.rec == nil || at.node.rec.time != v.time || at.node.rec.node != v.node {
		if end := s.graves.at(v.key).entry; end != nil && end.kind == kindExpire && end.time == v.time && end.node == v.node {
			return verdictEnded
		}
		return verdictOther
	}
	if at.node.rec.author != s.self || at.node.lease() == nil {
		return verdictTake // not ours: the asker's is the better claim
	}
	l := at.node.lease()
	if until := now.Add(min(v.left, at.node.TTL())); until.After(s.leases.time(l.deadline)) {
		node := *at.node
		s.leaseUntilLocked(&node, at.node, at.node.grant.asked(), until)
		s.tree.put(at, &node)
	}
	if l.from != from {
		l.from, l.streak = from, 0
	}
	if l.streak++; l.streak >= takeOverAfter {
		return verdictTake
	}
	return verdictKept
}

// settleLocked takes an owner's answer.
func (s *Store) settleLocked(now time.Time, v verdictOn) {
	p := s.pending[v.key]
	if p == nil || p.rec.time != v.time || p.rec.node != v.node {
		return
	}
	switch v.verdict {
	case verdictTake, verdictEnded:
		s.takeOverLocked(now, v.key, p)
	default:
		delete(s.pending, v.key)
	}
}

// News signals that there may be something for another node: see OwnDelta, Delta and
// Outbox. It has one slot.
func (s *Store) News() <-chan struct{} { return s.news }

func (s *Store) tellNews() {
	if !s.peered {
		return
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Outbox returns heartbeats and answers to heartbeats for the node with an author id,
// some max bytes of them, and forgets them; nil when there is nothing.
func (s *Store) Outbox(to uint64, most int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.authors[to]
	if a == nil || len(a.outbox.renewals)+len(a.outbox.verdicts) == 0 {
		return nil
	}
	now := time.Now()
	b := []byte{wireVersion}
	for len(b) < most && len(a.outbox.verdicts) > 0 {
		b = appendVerdict(b, a.outbox.verdicts[0])
		a.outbox.verdicts = a.outbox.verdicts[1:]
	}
	for len(b) < most && len(a.outbox.renewals) > 0 {
		p := a.outbox.renewals[0]
		a.outbox.renewals = a.outbox.renewals[1:]
		b = appendVerdict(b, verdictOn{key: p.rec.key, time: p.rec.time, node: p.rec.node, left: max(p.until.Sub(now), 0)})
	}
	return b
}

// mailBatch bounds how many messages are handled while the mutex is held once.
const mailBatch = 128

// Mail takes what the Outbox of another node held for this one.
func (s *Store) Mail(from uint64, mail []byte) error {
	messages, err := parseMail(mail)
	for len(messages) > 0 {
		n := min(len(messages), mailBatch)
		s.takeMail(from, messages[:n])
		messages = messages[n:]
	}
	return err
}

func (s *Store) takeMail(from uint64, messages []verdictOn) {
	now := s.lockWhenNothingIsDue()
	defer s.mu.Unlock()
	a := s.authorLocked(from)
	for _, v := range messages {
		switch v.verdict {
		case 0:
			v.verdict = s.renewForLocked(now, a, v)
			if a.alive {
				a.outbox.verdicts = append(a.outbox.verdicts, v)
				s.tellNews()
			}
		case objectNow:
			s.objectLocked(now, v.key, version{v.time, v.node, true})
		default:
			s.settleLocked(now, v)
		}
	}
	s.planLocked()
}
