package registry

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidwall/btree"
)

// author is one boot of one node, with the records that it put into circulation as far
// as they still count. Guarded by the store's mutex.
type author struct {
	id    uint64
	alive bool

	have    uint64 // every record up to this number has been seen
	again   uint64 // while it is sent again: how far that has come
	resend  bool   // what was seen is to be sent again, since some of it was let go
	islands []span // what has been seen beyond it, in order
	log     btree.Map[uint64, *record]
	derived int // expiries in log that do not travel

	// forgotten is the highest number of a removal that this node no longer holds: who
	// has not seen it may hold what it removed.
	forgotten uint64
	// sums add up the hashes of the entries in log: those for good and those with a lease.
	sums [2]uint64
	// incomplete: what is here of the author may lack what expired while it was away.
	incomplete bool
	outbox     outbox
	complained time.Time // when the log was last told of a bad record
	touched    time.Time // when it was last looked up
}

// span is a range of numbers: after from, up to to.
type span struct{ from, to uint64 }

// authorTimeShift leaves the low bits of an author's id to chance.
const authorTimeShift = 22

// NewAuthor returns an id for a boot that begins at the given time. Ids of later boots
// are larger, to the millisecond; within one they are ordered by chance.
func NewAuthor(boot time.Time) uint64 {
	ms := uint64(max(boot.Sub(indexEpoch).Milliseconds(), 1))
	return ms<<authorTimeShift | rand.Uint64N(1<<authorTimeShift)
}

// sum returns which of the sums a record belongs to.
func (r *record) sum() *uint64 {
	if r.is(leased) {
		return &r.author.sums[1]
	}
	return &r.author.sums[0]
}

// enlist makes a record count as one of its author.
func (r *record) enlist() {
	r.author.log.Set(r.seq, r)
	if r.kind.lives() {
		*r.sum() += r.hash()
	}
}

// become changes what a record is: a removal, or less than that.
func (r *record) become(k kind) {
	if r.kind.lives() {
		*r.sum() -= r.hash()
	}
	r.kind = k
}

// retire makes a record count no more. A nil record is none.
func (r *record) retire() {
	if r == nil || r.is(retired) {
		return
	}
	if r.kind.lives() {
		*r.sum() -= r.hash()
	}
	if r.is(derived) {
		r.author.derived--
	}
	r.flags |= retired
	r.author.log.Delete(r.seq)
}

// isSpent tells whether an author is gone and nothing is left of it that others lack.
func (a *author) isSpent() bool { return !a.alive && a.log.Len() == a.derived && a.forgotten == 0 }

// saw notes that everything in a span has been seen.
func (a *author) saw(s span) {
	if a.resend && s.from <= a.again {
		a.again = max(a.again, s.to)
		a.resend = a.again < a.have
	}
	if s.to <= a.have {
		return
	}
	if s.from > a.have {
		a.islands = addSpan(a.islands, s)
		return
	}
	a.have = s.to
	for len(a.islands) > 0 && a.islands[0].from <= a.have {
		a.have = max(a.have, a.islands[0].to)
		a.islands = a.islands[1:]
	}
}

// maxIslands bounds what is remembered beyond a gap. What is not remembered comes once more.
const maxIslands = 64

// addSpan adds a span to others that are in order and apart.
func addSpan(spans []span, s span) []span {
	at, _ := slices.BinarySearchFunc(spans, s.from, func(have span, from uint64) int {
		if have.to < from {
			return -1
		}
		return 1
	})
	end := at
	for end < len(spans) && spans[end].from <= s.to {
		s.from, s.to = min(s.from, spans[end].from), max(s.to, spans[end].to)
		end++
	}
	spans = slices.Replace(spans, at, end, s)
	return spans[:min(len(spans), maxIslands)]
}

// has tells whether the record with the number has been seen.
func (a *author) has(seq uint64) bool {
	if seq <= a.have {
		return true
	}
	return slices.ContainsFunc(a.islands, func(s span) bool { return s.from < seq && seq <= s.to })
}

// offers returns the number up to which this node can pass on all that counts.
func (a *author) offers() uint64 {
	if a.resend {
		return a.again
	}
	return a.have
}

// askAgain lets all that has been seen come once more.
func (a *author) askAgain() { a.again, a.resend, a.incomplete = 0, a.have > 0, false }
