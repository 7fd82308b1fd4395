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
}

// outbox collects what is for one other node. Its size is bounded by the entries there
// are, since a heartbeat that is pending is not passed on again.
type outbox struct {
	renewals []*record
	verdicts []verdictOn
}

// verdict is an owner's answer to a heartbeat that was passed on.
type verdict uint8

const (
	verdictKept  verdict = iota + 1 // the lease is renewed
	verdictTake                     // renewed, and from now on the asker's to keep
	verdictEnded                    // it had run out before: the asker must write the entry anew
	verdictOther                    // something else has become of the entry, which the asker will hear of
)

type verdictOn struct {
	key        Key
	time, node uint64
	verdict    verdict
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
		s.forwardLocked(now, n)
		return r
	default:
		r.retire()
		s.stats.takeovers.Add(1)
		return s.recordLocked(now, n.Key, r.kind, Update, quiet|leased)
	}
}

// forwardLocked passes a heartbeat on to the owner of a lease.
func (s *Store) forwardLocked(now time.Time, n *Node) {
	if p := s.pending[n.Key]; p != nil && p.rec == n.rec {
		return
	}
	s.pending[n.Key] = &pendingRenewal{rec: n.rec, value: n.Value, ttl: n.TTL(), since: now}
	to := &n.rec.author.outbox
	to.renewals = append(to.renewals, n.rec)
	s.stats.forwarded.Add(1)
	s.tellNews()
}

// takeOverdueLocked takes over the leases whose owners have left a heartbeat without an
// answer for a quarter of the TTL.
func (s *Store) takeOverdueLocked(now time.Time) {
	for key, p := range s.pending {
		if !p.rec.author.alive || now.Sub(p.since) >= p.ttl/4 {
			s.takeOverLocked(now, key, p)
		}
	}
}

// takeOverLocked makes this node the owner of a lease by a heartbeat that was passed on.
func (s *Store) takeOverLocked(now time.Time, key Key, p *pendingRenewal) {
	delete(s.pending, key)
	at, err := s.tree.find(key)
	switch {
	case err == nil && at.node.rec == p.rec:
		node := *at.node
		p.rec.retire()
		node.rec = s.recordLocked(now, node.Key, p.rec.kind, Update, quiet|leased)
		s.leaseLocked(now, &node, at.node, p.ttl)
		s.tree.put(at, &node)
	case err != nil && p.rec.kind != kindDir && s.hasExpired(key, p.rec):
		// Whoever answered the heartbeat has promised that the entry lives on.
		if _, err := s.setLocked(now, key, PutOptions{Value: p.value, TTL: p.ttl}); err != nil {
			return
		}
	default:
		return
	}
	s.stats.takeovers.Add(1)
	s.planLocked()
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
	node := *at.node
	s.leaseLocked(now, &node, at.node, at.node.TTL())
	s.tree.put(at, &node)
	s.stats.renewals.Add(1)
	l := node.lease()
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
	b := []byte{wireVersion}
	for len(b) < most && len(a.outbox.verdicts) > 0 {
		b = appendVerdict(b, a.outbox.verdicts[0])
		a.outbox.verdicts = a.outbox.verdicts[1:]
	}
	for len(b) < most && len(a.outbox.renewals) > 0 {
		r := a.outbox.renewals[0]
		a.outbox.renewals = a.outbox.renewals[1:]
		b = appendVerdict(b, verdictOn{key: r.key, time: r.time, node: r.node})
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
		if v.verdict != 0 {
			s.settleLocked(now, v)
			continue
		}
		v.verdict = s.renewForLocked(now, a, v)
		a.outbox.verdicts = append(a.outbox.verdicts, v)
		s.tellNews()
	}
	s.planLocked()
}
