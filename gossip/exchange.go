package gossip

import "time"

// exchange is a question that was sent and what has come of the answer.
type exchange struct {
	author uint64
	asked  time.Time // when it was begun
	last   time.Time // when something of it happened
	parts  uint32    // that were applied
	failed bool      // one could not be
	end    *ending
}

// refused takes a busy answer.
func (r *repair) refused(from, id uint64) {
	r.node.counters.busyReceived.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.open[id]; x == nil || x.author != from {
		return
	}
	delete(r.open, id)
	at := time.Now().Add(jitter(busyPause))
	r.busy[from] = at
	if _, ok := r.wanted[anyPeer]; !ok {
		r.wanted[anyPeer] = at
	}
	fill(r.kick)
}

// applied notes that a part of an answer was applied, or could not be.
func (r *repair) applied(from, id uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.open[id]
	if x == nil || x.author != from {
		return
	}
	x.last = time.Now()
	x.parts++
	x.failed = x.failed || err != nil
	r.finishLocked(id, x)
}

// ended notes the end of an answer.
func (r *repair) ended(from uint64, e ending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.open[e.id]
	if x == nil || x.author != from {
		return
	}
	x.last, x.end = time.Now(), &e
	r.finishLocked(e.id, x)
}

// finishLocked closes an exchange if all of the answer has come. Its end may come before
// the last parts, which have streams of their own.
func (r *repair) finishLocked(id uint64, x *exchange) {
	if x.end == nil || x.parts < x.end.parts {
		return
	}
	delete(r.open, id)
	if x.failed {
		r.busy[x.author] = time.Now().Add(busyPause)
		return
	}
	if p := r.node.peers.get(x.author); p != nil {
		p.met(x.asked, time.Now())
	}
	if x.end.ready {
		r.synced = true
	} else {
		r.partial[x.author] = true
	}
	fill(r.kick)
}
