package registry

import "time"

// A node that was cut off may have taken a lease over, by a heartbeat that came its way,
// and let it run out, while the host went on to renew it at the owner that all others
// know. The expiry is of a newer version than theirs, so it would end the entry. The owner
// objects: it writes the entry anew. The others give it time for that.

// contestDelay is the time that an owner has to object: a message to it, sent again if it is
// lost, and its new record must have time to travel.
const contestDelay = 5 * time.Second

// delayed is an expiry that waits for an objection.
type delayed struct {
	incoming
	until time.Time
}

// isContestedLocked tells whether a record is the expiry of a lease that another living
// node may still be renewing under an older version.
func (s *Store) isContestedLocked(held *record, in *incoming) bool {
	return in.kind == kindExpire && !in.waited && held != nil && held.kind == kindFile && held.is(leased) &&
		held.author.alive && held.author != in.author && in.beats(held) &&
		(held.time != in.time || held.node != in.node)
}

// contestLocked objects to an expiry if the lease is this node's, and else tells its owner
// and waits.
func (s *Store) contestLocked(now time.Time, held *record, in *incoming) {
	if held.author == s.self {
		s.objectLocked(now, held.key, in.version())
		return
	}
	for i := range s.delayed {
		if d := &s.delayed[i]; d.author == in.author && d.seq == in.seq {
			return
		}
	}
	in.waited = true
	s.delayed = append(s.delayed, delayed{*in, now.Add(contestDelay)})
	to := &held.author.outbox
	to.verdicts = append(to.verdicts, verdictOn{key: in.key, time: in.time, node: in.node, verdict: objectNow})
	s.tellNews()
}

// objectLocked writes an entry anew whose lease is this node's and has not run out, so that
// it stands above an expiry.
func (s *Store) objectLocked(now time.Time, key Key, end version) {
	at, err := s.tree.find(key)
	if err != nil || at.node.rec == nil || at.node.rec.author != s.self || at.node.lease() == nil || !at.node.rec.version().isBelow(end) {
		return
	}
	lives := &pendingRenewal{value: at.node.Value, ttl: at.node.TTL(), until: s.leases.time(at.node.lease().deadline)}
	if s.clock.ahead(now, end.time) > maxAhead {
		return
	}
	if s.assertLocked(now, at.node.rec, end.time+1, lives) {
		s.stats.reasserted.Add(1)
	}
}

// keepPendingLocked takes over a lease whose owner has let it run out while a heartbeat
// that came here, now or before the lease went there, was on its way: it was answered, so
// the entry must not go.
func (s *Store) keepPendingLocked(now time.Time, end *record) {
	p := s.pending[end.key]
	if end.kind == kindExpire && p != nil && p.rec.time == end.time && p.rec.node == end.node {
		s.takeOverLocked(now, end.key, p)
	}
}

// tellDerivedLocked puts the expiries that were found here, and by which an entry of a
// living node has lost, into circulation. That node cannot know of them: its clock may be
// behind and it may never have heard of the entry before. It then objects.
func (s *Store) tellDerivedLocked(lost *record) {
	if !lost.kind.lives() || s.graves.byKey.Len() == 0 {
		return
	}
	for key := range lost.key.path() {
		at := s.graves.at(key)
		for _, r := range []*record{at.entry, at.cut} {
			if r != nil && r.is(derived) && lost.version().isBelow(r.version()) {
				s.graves.bury(s.circulateLocked(&record{
					key: r.key, time: r.time, node: r.node, kind: r.kind, action: r.action,
				}), r.until)
			}
		}
	}
}

// mergeDelayedLocked merges the expiries to which nobody has objected.
func (s *Store) mergeDelayedLocked(now time.Time) {
	for len(s.delayed) > 0 && !now.Before(s.delayed[0].until) {
		in := s.delayed[0].incoming
		s.delayed = s.delayed[1:]
		s.mergeLocked(now, &in)
	}
}
