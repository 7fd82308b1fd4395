package registry

import "time"

// An index has 53 bits, so that JavaScript reads it exactly: a node tag above and
// the time below. Time grows by itself, so indexes grow across restarts without a
// disk write for each; the tag tells a client's index of another node from ours.
const (
	indexTimeBits = 48
	indexStep     = 16 * time.Microsecond // 2^48 steps last until the year 2162

	// IndexesPerSecond is how fast the indexes of a node grow with time. A node that
	// writes faster runs ahead of its clock.
	IndexesPerSecond = uint64(time.Second / indexStep)

	// MaxTag is the largest node tag. Tag 0 is never given to a node: indexes
	// without a tag are what people type, such as waitIndex=1.
	MaxTag = 1<<(53-indexTimeBits) - 1
)

var indexEpoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// indexes hands out a node's indexes: strictly increasing, close to the wall clock.
// It belongs to the store and is guarded by its mutex.
type indexes struct {
	tag  uint64
	last uint64
}

// newIndexes continues after the given index, which a former run of the node has
// used last, or 0. An index of another tag belongs to another node and is ignored.
func newIndexes(tag, after uint64, now time.Time) indexes {
	x := indexes{tag: tag}
	if indexTag(after) == tag {
		x.last = after + 1 // skipped, so that a watch that resumes there is seen to be of the former run
	}
	x.take(now)
	return x
}

// next returns the index that take would return, without taking it.
func (x *indexes) next(now time.Time) uint64 {
	// A clock outside the range only counts.
	steps := min(max(now.Sub(indexEpoch)/indexStep, 0), 1<<indexTimeBits-1)
	return max(x.last+1, x.tag<<indexTimeBits|uint64(steps))
}

// take uses up the next index.
func (x *indexes) take(now time.Time) uint64 {
	x.last = x.next(now)
	return x.last
}

// IndexAhead tells how far an index is ahead of a clock, negative if it is behind, and its
// tag, 0 if it has none.
func IndexAhead(index uint64, now time.Time) (ahead time.Duration, tag uint64) {
	steps := index & (1<<indexTimeBits - 1)
	return time.Duration(steps)*indexStep - now.Sub(indexEpoch), indexTag(index)
}

// indexTag returns the node tag of an index.
func indexTag(index uint64) uint64 { return index >> indexTimeBits }

// setTag gives the indexes from now on another tag. It must be larger, since indexes never
// go back.
func (x *indexes) setTag(tag uint64) bool {
	if tag <= x.tag || tag > MaxTag {
		return false
	}
	x.tag = tag
	return true
}

// Tag returns the tag of the indexes that the node gives out now.
func (s *Store) Tag() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.tag
}

// SetTag gives the node's indexes another tag from now on, because another node has the
// same: clients must list again. It refuses, and returns false, if the tag is not larger
// than the present one, which would let indexes go back.
func (s *Store) SetTag(tag uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.index.setTag(tag) {
		return false
	}
	s.index.take(time.Now())
	return true
}
