package registry

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Author returns the id of this run of the node.
func (s *Store) Author() uint64 { return s.self.id }

// Digest returns what this node has, for a peer to find out what it lacks.
func (s *Store) Digest() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.digestLocked().append(nil)
}

func (s *Store) digestLocked() *digest {
	d := s.marksLocked()
	for id := range d.marks {
		if s.authors[id].isSpent() {
			delete(d.marks, id)
		}
	}
	return d
}

// marksLocked is a digest with all authors, also those of which nothing is left.
func (s *Store) marksLocked() *digest {
	d := &digest{marks: make(map[uint64]mark, len(s.authors))}
	if s.tree.files+s.tree.dirs+s.graves.byKey.Len() == 0 {
		d.flags = digestEmpty
	}
	if s.unclean {
		d.flags |= digestUnclean
	}
	for id, a := range s.authors {
		if a.have == 0 && len(a.islands) == 0 {
			continue
		}
		m := mark{have: a.have, again: a.again, sums: a.sums}
		if a.alive {
			m.flags = markAlive
		}
		if a.resend {
			m.flags |= markResend | markUncertain
		}
		if len(a.islands) > 0 {
			m.flags |= markUncertain
		}
		d.marks[id] = m
	}
	return d
}

// Lacks tells whether a node with the given digest has something that this one has not
// seen. It also notes when the two have seen the same and yet hold different entries,
// which calls for sending everything again. Call it once for each digest that arrives.
func (s *Store) Lacks(have []byte) bool {
	d, err := parseDigest(have)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outrunLocked(d.marks[s.self.id].have)
	lacks, same := false, true
	for id, m := range d.marks {
		a := s.authors[id]
		lacks = lacks || a == nil && m.have > 0 || a != nil && m.have > a.have
		same = same && a != nil && m.have == a.have && m.flags&markUncertain == 0 && len(a.islands) == 0
	}
	if same && !s.unclean && d.flags&digestUnclean == 0 {
		s.compareSumsLocked(d)
	}
	return lacks
}

// outrunLocked gives this node's records numbers above one that a peer believes to have
// seen, although this node never came to it: somebody has told it so, and it would take
// nothing that follows for new.
func (s *Store) outrunLocked(believed uint64) {
	if believed <= s.self.have || believed > maxSeq/2 {
		return
	}
	s.log.Error("a peer has seen more of this node's records than there are; all are numbered anew", "have", s.self.have, "peer_has", believed)
	s.self.have = believed
	for _, r := range s.self.log.Values() {
		s.self.log.Delete(r.seq)
		s.self.have++
		r.seq = s.self.have
		s.self.log.Set(r.seq, r)
		s.unsaved.add(r.key, true)
	}
	s.tellNews()
}

// HasGap tells whether something is missing here that precedes what is there.
func (s *Store) HasGap() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.authors {
		if len(a.islands) > 0 {
			return true
		}
	}
	return false
}

// Sums that differ although the marks are equal are no matter of a moment once they have
// been seen to differ in resendAt comparisons; every resendEvery after that it is tried again.
const (
	resendAt    = 2
	resendEvery = 16
)

func (s *Store) compareSumsLocked(d *digest) {
	differ := false
	for id, m := range d.marks {
		a := s.authors[id]
		differ = differ || m.sums[0] != a.sums[0] || a.alive && m.flags&markAlive != 0 && m.sums[1] != a.sums[1]
	}
	if !differ {
		s.mismatches = 0
		return
	}
	if s.mismatches++; s.mismatches%resendEvery == resendAt {
		s.stats.mismatches.Add(1)
		s.log.Warn("another node holds other entries although it has seen the same; everything is sent again")
	}
}

// wantsLocked returns the number from which on a copy with the given mark wants an author's
// records.
func (s *Store) wantsLocked(a *author, m mark, listed bool) (from uint64, wanted bool) {
	switch {
	case m.flags&markResend != 0:
		return m.again, m.again < a.offers()
	case a.offers() > m.have:
		return m.have, listed || !a.isSpent()
	case a.offers() == m.have && s.mismatches%resendEvery == resendAt && listed && m.flags&markUncertain == 0:
		return 0, true
	default:
		return 0, false
	}
}

// Delta returns the next part of what is missing in a copy of the state with digest have,
// about most bytes of it, and the digest of that copy when it has applied the part; nil
// when nothing more is missing. It fails when have is malformed.
//
// A copy that has missed removals which this node no longer remembers is replaced: it
// gets everything and drops what does not come with it.
func (s *Store) Delta(have []byte, most int) (delta, then []byte, err error) {
	d, err := parseDigest(have)
	if err != nil {
		return nil, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.needsResetLocked(d) {
		d = &digest{flags: digestReset, token: rand.Uint64(), marks: map[uint64]mark{}}
	}
	p := &packer{store: s, now: time.Now(), d: d, most: most}
	for _, a := range s.inOrderLocked() {
		m, listed := d.marks[a.id]
		if from, wanted := s.wantsLocked(a, m, listed); wanted && !p.full() {
			p.add(a, from)
		}
	}
	delta, then = p.finish()
	return delta, then, nil
}

// OwnDelta is Delta restricted to what this node itself has put into circulation. It never
// replaces the copy.
func (s *Store) OwnDelta(have []byte, most int) (delta, then []byte, err error) {
	d, err := parseDigest(have)
	if err != nil {
		return nil, nil, err
	}
	d.flags &^= digestReset
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := &packer{store: s, now: time.Now(), d: d, most: most}
	if m := d.marks[s.self.id]; s.self.have > m.have {
		p.add(s.self, m.have)
	}
	delta, then = p.finish()
	return delta, then, nil
}

func (s *Store) inOrderLocked() []*author {
	all := make([]*author, 0, len(s.authors))
	for _, a := range s.authors {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *author) int { return cmpID(a.id, b.id) })
	return all
}

// needsResetLocked tells whether a copy has not heard of a removal that is forgotten here.
func (s *Store) needsResetLocked(d *digest) bool {
	switch {
	case d.flags&(digestEmpty|digestReset) != 0:
		return false
	case d.flags&digestUnclean != 0:
		return true
	}
	for id, a := range s.authors {
		if a.forgotten > d.marks[id].have {
			return true
		}
	}
	return false
}

// packer builds one delta.
type packer struct {
	store *Store
	now   time.Time
	d     *digest // what the copy has; raised as records are added
	most  int
	body  []byte
	spans uint64
}

func (p *packer) full() bool { return len(p.body) >= p.most }

// add adds the records of an author from a number on, as many as there is room for.
func (p *packer) add(a *author, from uint64) {
	head := spanHead{author: a.id, span: span{from, a.offers()}, forgotten: a.forgotten}
	if a.incomplete {
		head.flags = spanWithheld
	}
	var records []byte
	a.log.Ascend(from+1, func(seq uint64, r *record) bool {
		if seq > head.to {
			return false
		}
		if len(p.body)+len(records) >= p.most {
			head.to = seq - 1
			return false
		}
		if r.is(derived) {
			head.flags |= spanWithheld
		}
		if in, ok := p.store.outgoingLocked(p.now, r); ok {
			records = appendRecord(records, in)
			head.records++
		}
		return true
	})
	for i := range p.store.delayed { // they wait here, but not on their way
		if d := &p.store.delayed[i]; d.author == a && d.seq > from && d.seq <= head.to {
			records = appendRecord(records, d.incoming)
			head.records++
		}
	}
	p.body = append(head.append(p.body), records...)
	p.spans++
	m := mark{have: head.to, flags: markUncertain}
	if before := p.d.marks[a.id]; before.flags&markResend != 0 && head.to < before.have {
		m = mark{have: before.have, again: head.to, flags: markUncertain | markResend}
	}
	p.d.marks[a.id] = m
}

// finish returns the delta and the digest after it, nil if the copy lacks nothing.
func (p *packer) finish() (delta, then []byte) {
	head := deltaHead{spans: p.spans}
	switch {
	case p.d.flags&digestReset == 0:
		if p.spans == 0 {
			return nil, nil
		}
		return append(head.encode(), p.body...), p.d.append(nil)
	case p.spans > 0:
		head.flags, head.token, head.part = deltaReset, p.d.token, p.d.part
		p.d.part++
		return append(head.encode(), p.body...), p.d.append(nil)
	default:
		head.flags, head.token, head.part = deltaReset|deltaLast, p.d.token, p.d.part
		marks := p.store.marksLocked()
		marks.flags &^= digestUnclean
		return marks.append(head.encode()), marks.append(nil)
	}
}

// outgoingLocked returns a record as it travels; false for what does not.
func (s *Store) outgoingLocked(now time.Time, r *record) (incoming, bool) {
	in := incoming{record: r}
	if r.is(derived) {
		return in, false
	}
	if !r.kind.lives() {
		in.residual = max(s.leases.time(r.until).Sub(now), 1) // as long as it is here it travels
		return in, true
	}
	at, err := s.tree.find(r.key)
	if err != nil || at.node.rec != r {
		s.log.Error("a record has no node; please report it", "key", r.key)
		return in, false
	}
	in.value, in.ttl = at.node.Value, at.node.TTL()
	if l := at.node.lease(); l != nil && r.author != s.self {
		in.residual = max(s.leases.time(l.deadline).Sub(now), 1)
	}
	return in, true
}

// applyBatch bounds how many records are merged while the mutex is held once.
const applyBatch = 64

// Apply merges a delta that came from the node with the given author id. News tells
// whether it held something that this node had not seen, gap whether something before it
// is missing. A record that is malformed is dropped alone; the error is for a delta that
// cannot be read on.
func (s *Store) Apply(from uint64, delta []byte) (news, gap bool, err error) {
	r := &reader{b: delta}
	head, err := r.deltaHead()
	if err != nil {
		return false, false, err
	}
	session := s.beginPart(from, head)
	for range head.spans {
		sp, err := r.spanHead()
		if err != nil {
			return news, gap, err
		}
		n, g, err := s.applySpan(session, sp, r)
		news, gap = news || n, gap || g
		if err != nil {
			return news, gap, err
		}
	}
	if session != nil {
		return news, gap, s.endPart(session, head, r.b)
	}
	return news, gap, nil
}

// applySpan merges the records of one author.
func (s *Store) applySpan(session *resetSession, head spanHead, r *reader) (news, gap bool, err error) {
	by := s.author(head.author)
	batch := make([]incoming, 0, min(head.records, applyBatch))
	for range head.records {
		b := r.bytes(r.uvarint())
		if r.bad {
			return news, true, errMalformed
		}
		in, err := parseRecord(b, by)
		if err == nil && (in.seq <= head.from || in.seq > head.to) {
			err = errMalformed
		}
		if err != nil {
			s.complain(by, "a record was dropped", err)
			continue
		}
		if batch = append(batch, in); len(batch) == applyBatch {
			s.applyRecords(session, by, batch)
			batch = batch[:0]
		}
	}
	s.applyRecords(session, by, batch)
	news, gap = s.sawSpan(by, head)
	return news, gap, nil
}

func (s *Store) author(id uint64) *author {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.authorLocked(id)
}

func (s *Store) applyRecords(session *resetSession, by *author, batch []incoming) {
	if len(batch) == 0 {
		return
	}
	now := s.lockWhenNothingIsDue()
	defer s.mu.Unlock()
	for i := range batch {
		in := &batch[i]
		ahead := s.clock.ahead(now, in.time)
		if ahead > maxAhead || by == s.self && in.seq > s.self.have {
			s.complainLocked(now, by, "a record was dropped: it is from the future", nil)
			continue
		}
		if ahead > maxSkew {
			s.complainSkewLocked(now, by, ahead)
		}
		s.clock.observe(now, in.time)
		if s.mergeLocked(now, in) {
			s.stats.merged.Add(1)
		}
		session.confirm(by, in.seq)
	}
	s.planLocked()
}

// sawSpan notes that a span of an author has been seen, unless something was withheld from
// it that a living owner still has.
func (s *Store) sawSpan(by *author, head spanHead) (news, gap bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	withheld := head.flags&spanWithheld != 0
	if by == s.self || withheld && by.alive {
		return false, false
	}
	s.peered = true
	by.incomplete = by.incomplete || withheld
	if head.from < head.forgotten {
		by.forgotten = max(by.forgotten, head.forgotten) // removals that have not come along
	}
	news = !by.has(head.to)
	by.saw(head.span)
	return news, by.have < head.to
}

// complainEvery is how often the log is told of one author's bad records.
const complainEvery = time.Minute

func (s *Store) complain(by *author, what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complainLocked(time.Now(), by, what, err)
}

func (s *Store) complainLocked(now time.Time, by *author, what string, err error) {
	s.stats.refused.Add(1)
	if now.Sub(by.complained) < complainEvery {
		return
	}
	by.complained = now
	//nolint:sloglint // one of a few messages
	s.log.Warn(what, "author", by.id, "error", err)
}

func (s *Store) complainSkewLocked(now time.Time, by *author, ahead time.Duration) {
	if now.Sub(by.complained) < complainEvery {
		return
	}
	by.complained = now
	s.log.Warn("the clock of another node is ahead of this one's", "author", by.id, "ahead", ahead.String())
}
