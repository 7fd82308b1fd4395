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
	d := &digest{marks: make(map[uint64]mark, len(s.authors))}
	if s.tree.files+s.tree.dirs+s.graves.byKey.Len() == 0 {
		d.flags = digestEmpty
	}
	for id, a := range s.authors {
		if a.have == 0 && len(a.islands) == 0 || a.isSpent() {
			continue
		}
		m := mark{have: a.have, sums: a.sums}
		if a.alive {
			m.flags = markAlive
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
	s.told = max(s.told, d.marks[s.self.id].have)
	lacks, same := false, true
	for id, m := range d.marks {
		a := s.authors[id]
		lacks = lacks || a == nil && m.have > 0 || a != nil && m.have > a.have
		same = same && a != nil && m.have == a.have && m.flags&markUncertain == 0 && len(a.islands) == 0
	}
	if same {
		s.compareSumsLocked(d)
	}
	return lacks
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
	for id, m := range d.marks {
		a := s.authors[id]
		differ := m.sums[0] != a.sums[0]
		if a.alive && m.flags&markAlive != 0 {
			differ = differ || m.sums[1] != a.sums[1]
		}
		if !differ {
			a.mismatches = 0
			continue
		}
		if a.mismatches++; a.mismatches%resendEvery == resendAt {
			s.stats.mismatches.Add(1)
			s.log.Warn("another node holds other entries although it has seen the same; they are sent again", "author", id)
		}
	}
}

// wants returns the number from which on a copy with the given mark wants an author's records.
func (a *author) wants(m mark, listed bool) (from uint64, wanted bool) {
	switch {
	case a.have > m.have:
		return m.have, listed || !a.isSpent()
	case a.have == m.have && a.mismatches%resendEvery == resendAt && listed && m.flags&markUncertain == 0:
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
		if from, wanted := a.wants(m, listed); wanted && !p.full() {
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
	if d.flags&(digestEmpty|digestReset) != 0 {
		return false
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
	head := spanHead{author: a.id, span: span{from, a.have}}
	var records []byte
	a.log.Ascend(from+1, func(seq uint64, r *record) bool {
		if seq > a.have {
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
	p.body = append(head.append(p.body), records...)
	p.spans++
	p.d.marks[a.id] = mark{have: head.to, flags: markUncertain}
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
		marks := p.store.digestLocked()
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
		in.residual = s.leases.time(r.until).Sub(now)
		return in, in.residual > 0
	}
	at, err := s.tree.find(r.key)
	if err != nil || at.node.rec != r {
		panic("registry: a record without its node: " + string(r.key))
	}
	in.value, in.ttl = at.node.Value, at.node.TTL()
	if l := at.node.lease(); l != nil && r.author != s.self {
		in.residual = max(s.leases.time(l.deadline).Sub(now), 1)
	}
	return in, true
}

// applyBatch bounds how many records are merged while the mutex is held once.
const applyBatch = 64

// Apply merges a delta that came from a node, whose author id does not matter. News tells
// whether it held something that this node had not seen, gap whether something before it
// is missing. A record that is malformed is dropped alone; the error is for a delta that
// cannot be read on.
func (s *Store) Apply(_ uint64, delta []byte) (news, gap bool, err error) {
	r := &reader{b: delta}
	head, err := r.deltaHead()
	if err != nil {
		return false, false, err
	}
	if head.flags&deltaReset != 0 {
		s.beginPart(head)
	}
	for range head.spans {
		sp, err := r.spanHead()
		if err != nil {
			return news, gap, err
		}
		n, g, err := s.applySpan(sp, r)
		news, gap = news || n, gap || g
		if err != nil {
			return news, gap, err
		}
	}
	if head.flags&deltaReset != 0 {
		return news, gap, s.endPart(head, r.b)
	}
	return news, gap, nil
}

// applySpan merges the records of one author.
func (s *Store) applySpan(head spanHead, r *reader) (news, gap bool, err error) {
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
			s.applyRecords(by, batch)
			batch = batch[:0]
		}
	}
	s.applyRecords(by, batch)
	news, gap = s.sawSpan(by, head)
	return news, gap, nil
}

func (s *Store) author(id uint64) *author {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.authorLocked(id)
}

func (s *Store) applyRecords(by *author, batch []incoming) {
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
		s.reset.confirm(by, in.seq)
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
	by.incomplete = by.incomplete || withheld
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
