package registry

import (
	"cmp"
	"container/heap"
	"slices"
	"sort"
)

// history keeps the latest events for watches that resume. It holds at most limit
// events, shared out fairly: each top-level name has a ring of its own, and when
// the history is full the longest ring gives up its oldest event. A busy prefix
// thus cannot evict a quiet one's events.
type history struct {
	limit int
	total int
	rings map[string]*ring
	order ringHeap // longest first

	// floor is the last index that is lost for names without a ring: where the
	// history began, or the last event of a ring that was given up whole.
	floor uint64
}

// ring holds the events of one top-level name, oldest first.
type ring struct {
	prefix string
	events []*Event // a circular buffer, its length a power of two
	first  int
	n      int
	lost   uint64 // index of the last event that was evicted
	pos    int    // index in history.order
}

// newHistory returns a history that knows every event after index floor.
func newHistory(limit int, floor uint64) history {
	return history{limit: limit, rings: make(map[string]*ring), floor: floor}
}

// add appends an event, which is newer than all others.
func (h *history) add(e *Event) {
	prefix := e.Node.Key.prefix()
	r := h.rings[prefix]
	if r == nil {
		r = &ring{prefix: prefix, lost: h.floor}
		h.rings[prefix] = r
		heap.Push(&h.order, r)
	}
	r.push(e)
	heap.Fix(&h.order, r.pos)
	h.total++
	for h.total > h.limit {
		h.evict()
	}
}

// evict drops the oldest event of the longest ring.
func (h *history) evict() {
	r := h.order[0]
	r.lost = r.pop().Index()
	h.total--
	if r.n > 0 {
		heap.Fix(&h.order, 0)
		return
	}
	heap.Pop(&h.order)
	delete(h.rings, r.prefix)
	h.floor = max(h.floor, r.lost)
}

// lostBefore returns the last index at or below which events on key may be gone.
func (h *history) lostBefore(key Key) uint64 {
	if key != Root {
		if r := h.rings[key.prefix()]; r != nil {
			return r.lost
		}
		return h.floor
	}
	lost := h.floor
	for _, r := range h.order {
		lost = max(lost, r.lost)
	}
	return lost
}

// since returns the events from index on that concern a watch, oldest first, at
// most limit of them (0: all).
func (h *history) since(index uint64, key Key, recursive bool, limit int) []*Event {
	if key != Root {
		if r := h.rings[key.prefix()]; r != nil {
			return r.since(nil, index, key, recursive, limit)
		}
		return nil
	}
	var found []*Event
	for _, r := range h.order {
		found = r.since(found, index, key, recursive, limit)
	}
	slices.SortFunc(found, func(a, b *Event) int { return cmp.Compare(a.Index(), b.Index()) })
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found
}

// since appends the ring's matching events, at most limit of them (0: all).
func (r *ring) since(found []*Event, index uint64, key Key, recursive bool, limit int) []*Event {
	start := sort.Search(r.n, func(i int) bool { return r.at(i).Index() >= index })
	for i, taken := start, 0; i < r.n && (limit == 0 || taken < limit); i++ {
		if e := r.at(i); e.concerns(key, recursive) {
			found = append(found, e)
			taken++
		}
	}
	return found
}

func (r *ring) at(i int) *Event { return r.events[(r.first+i)&(len(r.events)-1)] }

func (r *ring) push(e *Event) {
	if r.n == len(r.events) {
		r.resize(max(4, 2*r.n))
	}
	r.events[(r.first+r.n)&(len(r.events)-1)] = e
	r.n++
}

func (r *ring) pop() *Event {
	e := r.events[r.first]
	r.events[r.first] = nil
	r.first = (r.first + 1) & (len(r.events) - 1)
	r.n--
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

// ringHeap implements heap.Interface: the longest ring is on top, among equals the
// one with the oldest event.
type ringHeap []*ring

func (h ringHeap) Len() int { return len(h) }

func (h ringHeap) Less(i, j int) bool {
	if h[i].n != h[j].n {
		return h[i].n > h[j].n
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
