package registry

import (
	"sync/atomic"
	"time"
)

// Rendering is room for one encoded form of an immutable value. The first reader
// fills it and all others share the bytes. It is safe for concurrent use.
type Rendering struct {
	p      atomic.Pointer[rendered]
	budget *budget // nil: none
}

type rendered struct {
	text  []byte
	until time.Time // zero: for ever
}

// dropped marks a Rendering that keeps nothing any more.
var dropped = new(rendered)

// Get returns the bytes if they still hold at time now; else it calls encode and
// keeps what that returns, if there is room. The bytes must not be changed. A zero
// until means that the encoding never ages.
func (r *Rendering) Get(now time.Time, encode func() (text []byte, until time.Time)) []byte {
	have := r.p.Load()
	if have != nil && have != dropped && (have.until.IsZero() || now.Before(have.until)) {
		return have.text
	}
	text, until := encode()
	if have != dropped && r.budget.take(len(text)) {
		fresh := &rendered{text, until}
		if r.p.CompareAndSwap(have, fresh) {
			r.budget.give(have)
		} else { // another reader was first, or the value is gone
			r.budget.give(fresh)
		}
	}
	return text
}

// drop gives the room back, also that of readers who are still encoding.
func (r *Rendering) drop() { r.budget.give(r.p.Swap(dropped)) }

// budget bounds the bytes that are kept by many Renderings. A nil budget is endless.
type budget struct {
	left atomic.Int64
}

// take asks for n bytes.
func (b *budget) take(n int) bool {
	if b == nil || b.left.Add(-int64(n)) >= 0 {
		return true
	}
	b.left.Add(int64(n))
	return false
}

// give returns the bytes of what is no longer kept.
func (b *budget) give(r *rendered) {
	if b != nil && r != nil {
		b.left.Add(int64(len(r.text)))
	}
}
