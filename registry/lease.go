package registry

import (
	"container/heap"
	"time"
)

// lease is the place of one leased node in the expiry queue. It outlives the
// versions of its node: a renewal moves deadline and leaves the queue alone.
type lease struct {
	key      Key
	deadline time.Time // when the node really expires
	queued   time.Time // when the queue looks at it next, never after deadline
	pos      int       // index in the heap
}

// leases is the expiry queue, a heap by queued time. A renewal, by far the most
// frequent change, only writes the deadline; the queue finds out when it gets there.
type leases struct {
	heap leaseHeap
}

// grant puts a new lease into the queue.
func (q *leases) grant(key Key, deadline time.Time) *lease {
	l := &lease{key: key, deadline: deadline, queued: deadline}
	heap.Push(&q.heap, l)
	return l
}

// move gives the lease another deadline.
func (q *leases) move(l *lease, deadline time.Time) {
	l.deadline = deadline
	if deadline.Before(l.queued) {
		l.queued = deadline
		heap.Fix(&q.heap, l.pos)
	}
}

// release takes the lease out of the queue. A nil lease is none.
func (q *leases) release(l *lease) {
	if l != nil {
		heap.Remove(&q.heap, l.pos)
	}
}

// next returns when the queue wants to be looked at; false when it is empty.
func (q *leases) next() (time.Time, bool) {
	if len(q.heap) == 0 {
		return time.Time{}, false
	}
	return q.heap[0].queued, true
}

// isDue tells whether a lease may have run out at time now.
func (q *leases) isDue(now time.Time) bool {
	return len(q.heap) > 0 && !now.Before(q.heap[0].queued)
}

// expired returns a lease that has run out at time now, the earliest first, or nil.
// It stays in the queue.
func (q *leases) expired(now time.Time) *lease {
	for q.isDue(now) {
		l := q.heap[0]
		if !l.deadline.After(l.queued) {
			return l
		}
		l.queued = l.deadline
		heap.Fix(&q.heap, 0)
	}
	return nil
}

// leaseHeap implements heap.Interface.
type leaseHeap []*lease

func (h leaseHeap) Len() int           { return len(h) }
func (h leaseHeap) Less(i, j int) bool { return h[i].queued.Before(h[j].queued) }

func (h leaseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

func (h *leaseHeap) Push(x any) {
	l := x.(*lease)
	l.pos = len(*h)
	*h = append(*h, l)
}

func (h *leaseHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return l
}
