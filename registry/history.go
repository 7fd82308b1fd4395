package registry

import (
	"cmp"
	"container/heap"
	"slices"
	"sort"
)

// history keeps the latest events for watches that resume, within a number of events
// and of bytes, shared out fairly: each top-level name has a ring of its own, and when
// the history is full the heaviest ring gives up its oldest event. A busy prefix thus
// cannot evict a quiet one's events.
type history struct {
	maxEvents, maxBytes int
	events, bytes       int
	rings               map[string]*ring
	order               ringHeap // heaviest first
	floor               uint64   // every event after this index has been in a ring
}

// maxRings is how many top-level names have a ring of their own. The names that come
// later share one, so that inventing names gains nobody a larger part.
const maxRings = 1024

// sharedRing is its name in history.rings; no key has an empty first segment.
const sharedRing = ""

// eventBytes is what an event takes beside its values and keys.
const eventBytes = 256

// ring holds the events of one top-level name, oldest first.
type ring struct {
	events []*Event // a circular buffer, its length a power of two
	first  int
	n      int
	bytes  int
	lost   uint64 // index of the last event that was evicted
	pos    int    // index in history.order
}

// newHistory returns a history that knows every event after index floor.
func newHistory(maxEvents, maxBytes int, floor uint64) history {
	return history{maxEvents: maxEvents, maxBytes: maxBytes, rings: make(map[string]*ring), floor: floor}
}

// add appends an event, which is newer than all others.
func (h *history) add(e *Event) {
	r := h.ring(e.Node.Key)
	if r == nil {
		r = h.newRing(e.Node.Key.prefix())
	}
	r.push(e)
	heap.Fix(&h.order, r.pos)
	h.events++
	h.bytes += e.size()
	for h.events > h.maxEvents || h.bytes > h.maxBytes {
		h.evict()
	}
}

// ring returns the ring of a key's top-level name, nil if it has had no event.
func (h *history) ring(key Key) *ring {
	if r := h.rings[key.prefix()]; r != nil {
		return r
	}
	return h.rings[sharedRing]
}

func (h *history) newRing(name string) *ring {
	if len(h.rings) == maxRings {
		name = sharedRing
	}
	r := &ring{lost: h.floor}
	h.rings[name] = r
	heap.Push(&h.order, r)
	return r
}

// evict drops the oldest event of the heaviest ring.
func (h *history) evict() {
	r := h.order[0]
	e := r.pop()
	r.lost = e.Index()
	heap.Fix(&h.order, 0)
	h.events--
	h.bytes -= e.size()
}

// size estimates the memory that an event holds.
func (e *Event) size() int {
	n := eventBytes + len(e.Node.Key) + len(e.Node.Value)
	if e.Prev != nil {
		n += len(e.Prev.Value)
	}
	return n
}

// lostBefore returns the last index at or below which events on key may be gone.
func (h *history) lostBefore(key Key) uint64 {
	lost := h.floor
	if key != Root {
		if r := h.ring(key); r != nil {
			lost = r.lost
		}
		return lost
	}
	for _, r := range h.order {
		lost = max(lost, r.lost)
	}
	return lost
}

// from returns the events from index on that may concern a watch on key, in no order.
func (h *history) from(index uint64, key Key) []*Event {
	if key != Root {
		if r := h.ring(key); r != nil {
			return r.from(nil, index)
		}
		return nil
	}
	var events []*Event
	for _, r := range h.order {
		events = r.from(events, index)
	}
	return events
}

// pick keeps the events that concern a watch, oldest first. It changes events.
func pick(events []*Event, key Key, recursive bool) []*Event {
	events = slices.DeleteFunc(events, func(e *Event) bool { return !e.concerns(key, recursive) })
	slices.SortFunc(events, func(a, b *Event) int { return cmp.Compare(a.Index(), b.Index()) })
	return events
}

// from appends the ring's events from index on.
func (r *ring) from(events []*Event, index uint64) []*Event {
	start := sort.Search(r.n, func(i int) bool { return r.at(i).Index() >= index })
	events = slices.Grow(events, r.n-start)
	for i := start; i < r.n; i++ {
		events = append(events, r.at(i))
	}
	return events
}

func (r *ring) at(i int) *Event { return r.events[(r.first+i)&(len(r.events)-1)] }

func (r *ring) push(e *Event) {
	if r.n == len(r.events) {
		r.resize(max(4, 2*r.n))
	}
	r.events[(r.first+r.n)&(len(r.events)-1)] = e
	r.n++
	r.bytes += e.size()
}

func (r *ring) pop() *Event {
	e := r.events[r.first]
	r.events[r.first] = nil
	r.first = (r.first + 1) & (len(r.events) - 1)
	r.n--
	r.bytes -= e.size()
	if n := len(r.events); n > 64 && r.n < n/4 {
		r.resize(n / 2)
	}
	return e
}

func (r *ring) resize(size int) {
	events := make([]*Event, size)
	for i := range r.n {
		events[i] = r.at(i)
	}
	r.events, r.first = events, 0
}

// ringHeap implements heap.Interface: the heaviest ring is on top, among equals the
// one with the oldest event.
type ringHeap []*ring

func (h ringHeap) Len() int { return len(h) }

func (h ringHeap) Less(i, j int) bool {
	if h[i].bytes != h[j].bytes {
		return h[i].bytes > h[j].bytes
	}
	return h[i].n > 0 && h[i].at(0).Index() < h[j].at(0).Index()
}

func (h ringHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

func (h *ringHeap) Push(x any) {
	r := x.(*ring)
	r.pos = len(*h)
	*h = append(*h, r)
}

func (h *ringHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return r
}
