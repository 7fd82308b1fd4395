package registry

import (
	"container/heap"
	"time"
)

// lease is the place of one leased node in the expiry queue. It outlives the
// versions of its node: a renewal moves deadline and leaves the queue alone.
type lease struct {
	key      Key
	deadline instant // when the node really expires
	queued   instant // when the queue looks at it next, never after deadline
	pos      int     // index in the heap

	from   *author // the node by way of which the latest heartbeats came; nil: directly
	streak int     // how many of them in a row
	orphan bool    // the owner is gone
}

// instant is a time as the nanoseconds since the queue's epoch on the monotonic
// clock: a third of a time.Time's size, which counts with one for each lease.
type instant int64

// leases is the expiry queue, a heap by queued time. A renewal, by far the most
// frequent change, only writes the deadline; the queue finds out when it gets there.
type leases struct {
	epoch   time.Time
	heap    leaseHeap
	orphans int
	held    bool    // nothing ends
	since   instant // and that since then
}

func (q *leases) instant(t time.Time) instant { return instant(t.Sub(q.epoch)) }
func (q *leases) time(i instant) time.Time    { return q.epoch.Add(time.Duration(i)) }

// add puts a new lease into the queue.
func (q *leases) add(key Key, deadline time.Time) *lease {
	l := &lease{key: key, deadline: q.instant(deadline), queued: q.instant(deadline)}
	heap.Push(&q.heap, l)
	return l
}

// move gives the lease another deadline.
func (q *leases) move(l *lease, deadline time.Time) {
	l.deadline = q.instant(deadline)
	if l.deadline < l.queued {
		l.queued = l.deadline
		heap.Fix(&q.heap, l.pos)
	}
}

// release takes the lease out of the queue. A nil lease is none.
func (q *leases) release(l *lease) {
	if l != nil {
		q.disown(l, false)
		heap.Remove(&q.heap, l.pos)
	}
}

// disown notes whether the lease's owner is gone.
func (q *leases) disown(l *lease, gone bool) {
	switch {
	case gone && !l.orphan:
		q.orphans++
	case !gone && l.orphan:
		q.orphans--
	}
	l.orphan = gone
}

// hold lets no lease end until free.
func (q *leases) hold(now time.Time) { q.held, q.since = true, q.instant(now) }

// free lets leases end again, those in the queue later by the time they were held.
func (q *leases) free(now time.Time) {
	if q.held {
		q.held, q.epoch = false, q.epoch.Add(now.Sub(q.time(q.since)))
	}
}

// next returns when the queue wants to be looked at; false when it is empty or held.
func (q *leases) next() (time.Time, bool) {
	if len(q.heap) == 0 || q.held {
		return time.Time{}, false
	}
	return q.time(q.heap[0].queued), true
}

// isDue tells whether a lease may have run out at time now.
func (q *leases) isDue(now time.Time) bool {
	return len(q.heap) > 0 && !q.held && q.heap[0].queued <= q.instant(now)
}

// expired returns a lease that has run out at time now, the earliest first, or nil.
// It stays in the queue.
func (q *leases) expired(now time.Time) *lease {
	for q.isDue(now) {
		l := q.heap[0]
		if l.deadline <= l.queued {
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
func (h leaseHeap) Less(i, j int) bool { return h[i].queued < h[j].queued }

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
