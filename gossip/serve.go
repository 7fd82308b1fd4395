package gossip

import (
	"context"
	"sync"
	"time"
)

const (
	// maxServed is how many peers are sent what they miss at once. More are told to ask
	// elsewhere; those that miss nothing always get their answer.
	maxServed = 3
	// serveRate bounds what answers send, all together, in bytes a second.
	serveRate = 64 << 20
	// serveTries is how often a part of an answer is sent before the answer is given up.
	serveTries = 4
	// strangerWait is how long a question waits for its sender to become a member here:
	// memberlist may know it a little later.
	strangerWait = 1500 * time.Millisecond
	// maxStrangers bounds the questions that wait for that.
	maxStrangers = 64
)

// server answers the questions of peers.
type server struct {
	node *Node
	pace pacer

	mu     sync.Mutex      // held for the time of one operation on memory
	served map[uint64]bool // authors that are being answered
	slots  int             // taken by answers that have something to send
	waits  int             // questions of strangers
}

func newServer(n *Node) *server {
	return &server{node: n, served: make(map[uint64]bool)}
}

// take begins to answer a question, on a goroutine of its own. It reports false when
// the same peer is being answered.
func (s *server) take(f frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served[f.author] {
		return false
	}
	s.served[f.author] = true
	begun := s.node.crew.run(func(ctx context.Context) {
		s.answer(ctx, f)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.served, f.author)
	})
	if !begun {
		delete(s.served, f.author)
	}
	return begun
}

// answer sends a peer what its digest misses. If this node misses something itself it
// then asks back, but not one who asks back.
func (s *server) answer(ctx context.Context, f frame) {
	p := s.find(ctx, f.author)
	if p == nil {
		s.node.counters.dropped.Add(1)
		return
	}
	id, digest := f.id()
	s.sendMissing(ctx, p, id, digest)
	if f.kind == frameAsk && s.node.state.Lacks(digest) {
		s.node.repair.askBack(p)
	}
}

// find returns the peer with an author id, after a while if it is not known yet.
func (s *server) find(ctx context.Context, author uint64) *peer {
	if p := s.node.peers.get(author); p != nil {
		return p
	}
	if !s.addWait() {
		return nil
	}
	defer s.endWait()
	const step = strangerWait / 15
	for waited := time.Duration(0); waited < strangerWait; waited += step {
		if !sleep(ctx, nil, step) {
			return nil
		}
		if p := s.node.peers.get(author); p != nil {
			return p
		}
	}
	return nil
}

func (s *server) addWait() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits >= maxStrangers {
		return false
	}
	s.waits++
	return true
}

func (s *server) endWait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits--
}

// sendMissing sends the answer: parts and an end, or that this node is busy.
func (s *server) sendMissing(ctx context.Context, p *peer, id uint64, digest []byte) {
	n := s.node
	ready := n.Ready() == nil
	delta, then, err := n.state.Delta(digest, chunkSize)
	if err != nil {
		n.counters.malformed.Add(1)
		n.oops("a peer's digest cannot be read", err)
		return
	}
	if delta != nil {
		if !s.takeSlot() {
			n.counters.busyGiven.Add(1)
			_ = n.send(p, frameBusy, withID(id, nil)) // else it asks another after some time
			return
		}
		defer s.giveSlot()
	}
	parts := uint32(0)
	for ; delta != nil; parts++ {
		if !s.pace.wait(ctx, p.gone, len(delta)) || !s.send(ctx, p, frameRepair, withID(id, delta)) {
			return
		}
		if delta, then, err = n.state.Delta(then, chunkSize); err != nil {
			n.oops("a cursor of ours cannot be read", err)
			return
		}
	}
	s.send(ctx, p, frameEnd, ending{id: id, parts: parts, ready: ready}.encode())
}

// send sends a part of an answer, a few times if it must. It reports whether it was sent.
func (s *server) send(ctx context.Context, p *peer, kind frameKind, body []byte) bool {
	pause := firstPause
	for range serveTries {
		if s.node.send(p, kind, body) == nil {
			return true
		}
		if !sleep(ctx, p.gone, jitter(pause)) {
			return false
		}
		pause *= 2
	}
	return false
}

func (s *server) takeSlot() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots >= maxServed {
		return false
	}
	s.slots++
	return true
}

func (s *server) giveSlot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots--
}

// pacer spreads bytes over time. The zero value is ready to use.
type pacer struct {
	mu   sync.Mutex
	free time.Time // when the bytes so far are through at serveRate
}

// wait waits until size bytes may be sent. It reports false if stop or the end of the
// context came first.
func (p *pacer) wait(ctx context.Context, stop <-chan struct{}, size int) bool {
	d := p.reserve(time.Now(), size)
	return d <= 0 || sleep(ctx, stop, d)
}

// reserve returns how long to wait before size bytes.
func (p *pacer) reserve(now time.Time, size int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free.Before(now) {
		p.free = now
	}
	wait := p.free.Sub(now)
	p.free = p.free.Add(time.Duration(size) * time.Second / serveRate)
	return wait
}
