package gossip

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// fanout is how many peers get what is new in each round of the epidemic.
const fanout = 4

// relayMax bounds what one round sends to one peer. What is more is left to repair,
// which sends to each node once and not twelve times.
const relayMax = 1 << 20

// relaySpacing is the shortest time between two first rounds: what gathers meanwhile
// goes together.
const relaySpacing = 25 * time.Millisecond

// lane is one round of the epidemic. Each change passes each lane once, so that a node
// sends each change 12 times, however many nodes there are: with 200 nodes and a tenth
// of the messages lost one in 50,000 nodes gets it from nobody and waits for repair.
type lane struct {
	delay  time.Duration // after the news
	cursor []byte        // what passed this lane
	due    time.Time     // when it runs next, zero if there is no news
}

// relay is the epidemic way of changes, for clusters with many members.
type relay struct {
	node *Node
	news chan struct{} // one slot

	mu    sync.Mutex // held for the time of one operation on memory
	lanes []lane
}

func newRelay(n *Node) *relay {
	return &relay{
		node: n, news: make(chan struct{}, 1),
		lanes: []lane{{delay: 0}, {delay: 75 * time.Millisecond}, {delay: 200 * time.Millisecond}},
	}
}

// skip lets all that is here now pass the lanes unsent.
func (r *relay) skip() {
	digest := r.node.state.Digest()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.lanes {
		r.lanes[i].cursor = digest
	}
}

// run sends what is new until the context ends.
func (r *relay) run(ctx context.Context) {
	r.skip()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.news:
			r.schedule(time.Now())
		case <-timer.C:
			r.runDue(time.Now())
		}
		timer.Reset(r.nextDue(time.Now()))
	}
}

// schedule lets each lane run that is not about to.
func (r *relay) schedule(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.lanes {
		if l := &r.lanes[i]; l.due.IsZero() {
			l.due = now.Add(max(l.delay, 1))
		}
	}
}

// nextDue returns the time until a lane runs.
func (r *relay) nextDue(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := time.Hour
	for _, l := range r.lanes {
		if !l.due.IsZero() {
			next = min(next, max(l.due.Sub(now), 0))
		}
	}
	return next
}

// runDue runs the lanes whose time it is.
func (r *relay) runDue(now time.Time) {
	for i := range r.lanes {
		r.mu.Lock()
		l := &r.lanes[i]
		due, cursor := !l.due.IsZero() && !l.due.After(now), l.cursor
		if due {
			l.due = time.Time{}
		}
		r.mu.Unlock()
		if !due {
			continue
		}
		batch, then := r.collect(cursor)
		r.mu.Lock()
		l.cursor = then
		if i == 0 && len(batch) > 0 {
			l.due = now.Add(relaySpacing)
		}
		r.mu.Unlock()
		if len(batch) > 0 {
			r.spread(i, batch)
		}
	}
}

// collect returns what is new since a cursor, and the cursor after it. There is nothing
// to send while everybody pushes to all, and before the first sync, when all is new.
func (r *relay) collect(cursor []byte) (batch [][]byte, then []byte) {
	n := r.node
	if n.peers.isDirect() || n.Ready() != nil {
		return nil, n.state.Digest()
	}
	for size := 0; size < relayMax; {
		delta, next, err := n.state.Delta(cursor, chunkSize)
		if err != nil {
			n.oops("a cursor of ours cannot be read", err)
			return batch, n.state.Digest()
		}
		if delta == nil {
			return batch, cursor
		}
		batch, cursor = append(batch, delta), next
		size += len(delta)
	}
	n.repair.wantAny()
	return batch, n.state.Digest()
}

// spread gives deltas to random peers that are free. In the first round the next peer by
// name is among them, in the second the one before: so each node has two that certainly
// send to it.
func (r *relay) spread(round int, batch [][]byte) {
	n := r.node
	all := n.peers.list()
	if len(all) == 0 {
		return
	}
	left := fanout
	if p := neighbour(all, n.cfg.Name, round); p != nil && p.offer(batch) {
		left--
	}
	for _, i := range rand.Perm(len(all)) {
		if left == 0 {
			return
		}
		if all[i].offer(batch) {
			left--
		}
	}
}

// neighbour returns the peer after a name in round 0, before it in round 1.
func neighbour(sorted []*peer, name string, round int) *peer {
	at, _ := slices.BinarySearchFunc(sorted, name, func(p *peer, name string) int {
		if p.node.Name < name {
			return -1
		}
		return 1
	})
	switch round {
	case 0:
		return sorted[at%len(sorted)]
	case 1:
		return sorted[(at+len(sorted)-1)%len(sorted)]
	}
	return nil
}
