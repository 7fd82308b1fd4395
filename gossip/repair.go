package gossip

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// answerTimeout is how long nothing of an answer may arrive before another peer is
	// asked, on a first sync.
	answerTimeout = 2 * time.Second
	// firstPartTimeout is how long other questions wait for the first part of an answer.
	firstPartTimeout = 300 * time.Millisecond
	// gapPause is the time between a gap and the question for what is missing: most
	// often it is on its way, on a stream of its own.
	gapPause = 100 * time.Millisecond
	// busyPause is about the time after a busy answer until another peer is asked.
	busyPause = 300 * time.Millisecond
	// syncTick is how often a node that is not ready looks what it waits for.
	syncTick = 100 * time.Millisecond
	// forgetAsk is how long a question without an answer is remembered.
	forgetAsk = time.Minute
)

// anyPeer is the author id that stands for whichever peer.
const anyPeer = 0

// repair asks peers for what is missing here: a random one now and then, and some at
// once, and before the node is ready one after the other.
type repair struct {
	node *Node
	kick chan struct{} // one slot: something of what follows has changed

	mu      sync.Mutex // held for the time of one operation on memory
	lastID  uint64
	open    map[uint64]*exchange
	wanted  map[uint64]time.Time // who is to be asked when, by author
	gaps    map[uint64]time.Time // the same for those that have sent something out of turn
	asking  map[uint64]bool      // a question is being sent to that author
	busy    map[uint64]time.Time // not to be asked before, on a first sync
	partial map[uint64]bool      // authors that answered in full, not ready themselves
	synced  bool                 // a ready peer has answered in full
	last    uint64               // who was asked last at random: another one is next
}

func newRepair(n *Node) *repair {
	return &repair{
		node: n, kick: make(chan struct{}, 1),
		open: make(map[uint64]*exchange), wanted: make(map[uint64]time.Time), gaps: make(map[uint64]time.Time),
		asking: make(map[uint64]bool), busy: make(map[uint64]time.Time), partial: make(map[uint64]bool),
	}
}

// want lets a peer be asked at once.
func (r *repair) want(author uint64) { r.wantAt(author, time.Now()) }

// wantAny lets some peer be asked at once.
func (r *repair) wantAny() { r.wantAt(anyPeer, time.Now()) }

// gap lets a peer be asked soon, because it has sent something that others precede, unless
// those have come by then.
func (r *repair) gap(author uint64) { r.note(r.gaps, author, time.Now().Add(gapPause)) }

func (r *repair) wantAt(author uint64, at time.Time) { r.note(r.wanted, author, at) }

func (r *repair) note(in map[uint64]time.Time, author uint64, at time.Time) {
	r.mu.Lock()
	if old, ok := in[author]; !ok || at.Before(old) {
		in[author] = at
	}
	r.mu.Unlock()
	fill(r.kick)
}

// run asks until the context ends.
func (r *repair) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	regular := time.Now().Add(r.interval())
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-timer.C:
		}
		now := time.Now()
		if !now.Before(regular) {
			r.wantAt(anyPeer, now)
			regular = now.Add(r.interval())
		}
		wait := regular.Sub(now)
		if r.node.Ready() != nil {
			r.firstSync(now)
			wait = min(wait, syncTick)
		}
		timer.Reset(min(wait, r.askWanted(now)))
	}
}

// interval returns a random time up to the digest interval for the present number of
// members: twice it for 33 to 64, three times for up to 128.
func (r *repair) interval() time.Duration {
	scale := 1.0
	if n := len(r.node.peers.list()) + 1; n > 32 {
		scale += math.Ceil(math.Log2(float64(n) / 32))
	}
	return jitter(time.Duration(scale * float64(r.node.cfg.DigestInterval)))
}

// askWanted asks those whose time it is, and returns the time until the next. It waits
// while an answer is arriving: what that brings need not come twice. Before the first sync
// only that asks, one peer after the other.
func (r *repair) askWanted(now time.Time) time.Duration {
	r.mu.Lock()
	if r.node.Ready() != nil {
		clear(r.wanted)
		clear(r.gaps)
	}
	if r.arrivesLocked(now) {
		r.mu.Unlock()
		return gapPause
	}
	due, wait := takeDue(r.wanted, now)
	gaps, next := takeDue(r.gaps, now)
	r.mu.Unlock()
	if len(gaps) > 0 && r.node.state.HasGap() {
		due = append(due, gaps...)
	}
	for _, author := range due {
		p := r.node.peers.get(author)
		if author == anyPeer {
			p = r.another(r.node.peers.list())
		}
		if p != nil {
			r.ask(p, frameAsk)
		}
	}
	return min(wait, next)
}

// arrivesLocked reports whether parts of an answer are arriving, or may be about to.
func (r *repair) arrivesLocked(now time.Time) bool {
	for _, x := range r.open {
		since := now.Sub(x.last)
		if !x.failed && (since < firstPartTimeout || x.parts > 0 && since < answerTimeout) {
			return true
		}
	}
	return false
}

// takeDue removes and returns the authors whose time it is, with the time until the next.
func takeDue(from map[uint64]time.Time, now time.Time) (due []uint64, wait time.Duration) {
	wait = time.Hour
	for author, at := range from {
		if at.After(now) {
			wait = min(wait, at.Sub(now))
			continue
		}
		delete(from, author)
		due = append(due, author)
	}
	return due, wait
}

// pick returns a random peer, nil if there is none.
func pick(all []*peer) *peer {
	if len(all) == 0 {
		return nil
	}
	return all[rand.IntN(len(all))]
}

// another returns a random peer, another one than last time if there is one.
func (r *repair) another(all []*peer) *peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := pick(all)
	for p != nil && p.author == r.last && len(all) > 1 {
		p = pick(all)
	}
	if p != nil {
		r.last = p.author
	}
	return p
}

// firstSync asks the next peer that has not answered, unless an answer is on its way,
// and sees whether the node is ready.
func (r *repair) firstSync(now time.Time) {
	all := r.node.peers.list()
	var next []*peer
	missing := 0
	r.mu.Lock()
	synced := r.synced
	for _, p := range all {
		if !r.partial[p.author] {
			missing++
			if !r.asking[p.author] && !now.Before(r.busy[p.author]) {
				next = append(next, p)
			}
		}
	}
	waits := r.awaitsLocked(now)
	if missing == 0 && r.node.cfg.NeedsPeer && !synced {
		r.askAgainLocked(now, all)
	}
	r.mu.Unlock()
	if r.node.settle(now, synced, len(all), missing) || waits {
		return
	}
	if p := pick(next); p != nil {
		r.ask(p, frameAsk)
	}
}

// askAgainLocked has all peers asked again, none of which was ready, after a pause.
func (r *repair) askAgainLocked(now time.Time, all []*peer) {
	clear(r.partial)
	for _, p := range all {
		r.busy[p.author] = now.Add(busyPause)
	}
}

// awaitsLocked reports whether an answer is on its way, and forgets old questions.
func (r *repair) awaitsLocked(now time.Time) bool {
	waits := false
	for id, x := range r.open {
		switch since := now.Sub(x.last); {
		case since > forgetAsk:
			delete(r.open, id)
		case since < answerTimeout && !x.failed:
			waits = true
		}
	}
	return waits
}

// ask sends a question to a peer, on a goroutine of its own because that may take time,
// unless one is being sent.
func (r *repair) ask(p *peer, kind frameKind) {
	now := time.Now()
	r.mu.Lock()
	r.awaitsLocked(now)
	if r.asking[p.author] {
		r.mu.Unlock()
		return
	}
	r.lastID++
	id := r.lastID
	r.asking[p.author] = true
	r.open[id] = &exchange{author: p.author, asked: now, last: now}
	r.mu.Unlock()
	r.node.crew.run(func(context.Context) {
		err := r.node.send(p, kind, withID(id, r.node.state.Digest()))
		r.mu.Lock()
		delete(r.asking, p.author)
		if err != nil {
			delete(r.open, id)
			r.busy[p.author] = time.Now().Add(busyPause)
		}
		r.mu.Unlock()
		fill(r.kick)
	})
}

// askBack asks a peer that has asked itself and has something that is missing here, unless
// an answer is arriving or the first sync goes on.
func (r *repair) askBack(p *peer) {
	r.mu.Lock()
	arrives := r.arrivesLocked(time.Now())
	r.mu.Unlock()
	if !arrives && r.node.Ready() == nil {
		r.ask(p, frameAskBack)
	}
}

// forget drops what is known of peers that are gone.
func (r *repair) forget(isLive func(author uint64) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for author := range r.partial {
		if !isLive(author) {
			delete(r.partial, author)
		}
	}
	for author := range r.busy {
		if !isLive(author) {
			delete(r.busy, author)
		}
	}
}
