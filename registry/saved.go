package registry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// What the journal holds. Keys begin with a byte that says what they are; numbers are those of
// the wire format, see codec.go.
//
//	a, author's id (big endian)   a mark
//	k, key                        the records of a key: of the entry or its removal, and of a cut
//	m                             what is known of the store itself
const (
	savedMarkKind = 'a'
	savedKeyKind  = 'k'
	savedMetaKind = 'm'

	savedIncomplete = 1 << 0 // in a mark, see author.incomplete

	savedPeered  = 1 << 0 // in the store's own
	savedUnclean = 1 << 1

	savedDerived = 1 << 0 // before a record
)

var errSaved = errors.New("the journal holds what no node writes; it is damaged, or of another version")

// savedMark is what the journal holds of an author. By the last two it is seen whether all
// records are there that the journal should hold.
type savedMark struct {
	have, forgotten uint64
	incomplete      bool
	records         int
	sums            [2]uint64
}

// saved returns an author's mark. What is under way to come again has to begin anew.
func (a *author) saved() savedMark {
	return savedMark{a.have, a.forgotten, a.incomplete || a.resend, a.log.Len(), a.sums}
}

func markKey(id uint64) []byte { return binary.BigEndian.AppendUint64([]byte{savedMarkKind}, id) }

func (m savedMark) change(id uint64) Change {
	var f byte
	if m.incomplete {
		f = savedIncomplete
	}
	b := binary.AppendUvarint(binary.AppendUvarint([]byte{f}, m.have), m.forgotten)
	b = binary.AppendUvarint(b, uint64(m.records))
	return Change{markKey(id), appendFixed(appendFixed(b, m.sums[0]), m.sums[1])}
}

// savedMeta is what the journal holds of the store itself.
type savedMeta struct {
	self            uint64 // author id of the run that wrote it
	peered, unclean bool
}

func (s *Store) savedMeta() savedMeta { return savedMeta{s.self.id, s.peered, s.unclean} }

func (m savedMeta) change() Change {
	var f byte
	if m.peered {
		f |= savedPeered
	}
	if m.unclean {
		f |= savedUnclean
	}
	return Change{[]byte{savedMetaKind}, appendFixed([]byte{f}, m.self)}
}

// savedKeyLocked returns what becomes of a key in the journal.
func (s *Store) savedKeyLocked(key Key) Change {
	c := Change{Key: append([]byte{savedKeyKind}, key...)}
	if at, err := s.tree.find(key); err == nil && at.node.rec != nil {
		c.Value = at.node.appendSaved(c.Value)
	}
	grave := s.graves.at(key)
	for _, r := range []*record{grave.entry, grave.cut} {
		if r != nil {
			c.Value = appendSaved(c.Value, incoming{record: r}, 0, 0)
		}
	}
	return c
}

// appendSaved adds a node's record. The indexes are left out of a lease's: each heartbeat
// changes them.
func (n *Node) appendSaved(b []byte) []byte {
	in := incoming{record: n.rec, value: n.Value, ttl: n.TTL()}
	if n.HasLease() {
		return appendSaved(b, in, 0, 0)
	}
	return appendSaved(b, in, n.CreatedIndex, n.ModifiedIndex)
}

func appendSaved(b []byte, in incoming, created, modified uint64) []byte {
	var f byte
	if in.is(derived) {
		f = savedDerived
	}
	b = appendFixed(append(b, f), in.author.id)
	b = binary.AppendUvarint(binary.AppendUvarint(b, created), modified)
	return appendRecord(b, in)
}

// loader puts what a journal holds into an empty store.
type loader struct {
	store *Store
	now   time.Time
	marks map[uint64]savedMark
	meta  savedMeta
}

// check tells whether the records are those that the marks stand for.
func (l *loader) check() error {
	for id, a := range l.store.authors {
		if got, want := a.saved(), l.marks[id]; got != want {
			return fmt.Errorf("%w: of author %d it has %d records, %d should be there", errSaved, id, got.records, want.records)
		}
	}
	return nil
}

func (l *loader) visit(key, value []byte) error {
	if len(key) == 0 {
		return errSaved
	}
	r := &reader{b: value}
	switch key[0] {
	case savedMarkKind:
		return l.mark(key[1:], r)
	case savedKeyKind:
		for len(r.b) > 0 {
			if err := l.record(key[1:], r); err != nil {
				return err
			}
		}
		return nil
	case savedMetaKind:
		return l.own(r)
	default:
		return errSaved
	}
}

func (l *loader) mark(id []byte, r *reader) error {
	f := r.byte()
	m := savedMark{have: r.uvarint(), forgotten: r.uvarint(), incomplete: f&savedIncomplete != 0}
	m.records, m.sums = int(r.uvarint()&math.MaxInt), [2]uint64{r.fixed(), r.fixed()}
	if r.bad || len(r.b) > 0 || len(id) != 8 || m.have > maxSeq || m.forgotten > maxSeq {
		return errSaved
	}
	number := binary.BigEndian.Uint64(id)
	l.marks[number] = m
	a := l.store.authorLocked(number)
	a.have, a.forgotten, a.incomplete = m.have, m.forgotten, m.incomplete
	return nil
}

// own takes what the former run knew of itself. This run's number must be above its.
func (l *loader) own(r *reader) error {
	f := r.byte()
	l.meta = savedMeta{self: r.fixed(), peered: f&savedPeered != 0, unclean: f&savedUnclean != 0}
	if r.bad {
		return errSaved
	}
	s := l.store
	s.peered, s.unclean = l.meta.peered, l.meta.unclean
	if s.self.id <= l.meta.self {
		delete(s.authors, s.self.id)
		s.self.id = l.meta.self + 1
		s.authors[s.self.id] = s.self
	}
	return nil
}

func (l *loader) record(key []byte, r *reader) error {
	s := l.store
	f, id := r.byte(), r.fixed()
	created, modified := r.uvarint(), r.uvarint()
	body := r.bytes(r.uvarint())
	if r.bad || id == 0 || id == s.self.id {
		return errSaved
	}
	in, err := parseRecord(body, s.authorLocked(id))
	if err != nil {
		return fmt.Errorf("%w: %w", errSaved, err)
	}
	if !bytes.Equal(key, []byte(in.key)) {
		return errSaved
	}
	s.clock.observe(l.now, in.time)
	if f&savedDerived != 0 {
		in.flags |= derived
		in.author.derived++
	}
	in.enlist()
	if !in.kind.lives() {
		s.graves.bury(in.record, s.leases.instant(l.now.Add(s.retention)))
		return nil
	}
	return l.entry(in, created, modified)
}

// entry puts an entry into the tree. The directories above it came before it, as far as they
// have records.
func (l *loader) entry(in incoming, created, modified uint64) error {
	s := l.store
	at, err := s.tree.reach(in.key, s.start, nil)
	if err != nil || at.node != nil {
		return errSaved
	}
	node := &Node{Key: in.key, Value: in.value, CreatedIndex: l.index(created), ModifiedIndex: l.index(modified), rec: in.record}
	if in.kind == kindDir {
		node.dir = &dir{parent: at.dir}
	}
	ttl := in.ttl
	if in.is(leased) && ttl == 0 {
		ttl = EndAtOnce
	}
	s.leaseLocked(l.now, node, nil, ttl)
	s.tree.put(at, node)
	return nil
}

// index returns an index of a former run, or where it is unknown, or cannot be of one, the
// first of this.
func (l *loader) index(saved uint64) uint64 {
	if saved == 0 || saved > l.store.start {
		return l.store.start
	}
	return saved
}
