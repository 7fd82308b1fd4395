package gossip

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// readiness is whether the first sync is done, and why not.
type readiness struct {
	done chan struct{} // closed when it is

	mu     sync.Mutex
	err    error     // nil when it is
	began  time.Time // when Run did
	joined time.Time // when the latest peer did
	lonely time.Time // since when there is no peer, zero if there is one
}

func newReadiness() *readiness {
	return &readiness{done: make(chan struct{}), err: errors.New("gossip has not started")}
}

// Ready returns nil once the first sync is done, and for ever then. Before it returns
// what is missing.
func (n *Node) Ready() error {
	n.ready.mu.Lock()
	defer n.ready.mu.Unlock()
	return n.ready.err
}

// Synced returns a channel that is closed when [Node.Ready] becomes nil.
func (n *Node) Synced() <-chan struct{} { return n.ready.done }

// start notes that Run began.
func (r *readiness) start(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began, r.lonely = now, now
	r.err = errors.New("no peer found yet")
}

// meet notes the number of peers there are, and of those that are new.
func (r *readiness) meet(now time.Time, all, fresh int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fresh > 0 {
		r.joined = now
	}
	switch {
	case all > 0:
		r.lonely = time.Time{}
	case r.lonely.IsZero():
		r.lonely = now
	}
}

// end makes it ready. It reports false if it was.
func (r *readiness) end() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return false
	}
	r.err = nil
	close(r.done)
	return true
}

// verdict returns why the first sync is done, or why it is not.
func (r *readiness) verdict(now time.Time, s syncState) (why string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return "", nil
	}
	switch calm := now.Sub(r.joined); {
	case s.synced:
		return "a ready peer has answered", nil
	case s.needsPeer && s.peers > 0:
		err = fmt.Errorf("none of %d peers is ready, and this node needs the state of one that is", s.peers)
	case s.peers == 0 && now.Sub(r.lonely) >= s.alone && !s.needsPeer:
		return "no peer was found, it goes on alone", nil
	case s.peers == 0:
		err = errors.New("no peer found yet")
	case s.missing > 0:
		err = fmt.Errorf("%d of %d peers have not answered yet, none that did is ready", s.missing, s.peers)
	case calm < s.settle || now.Sub(r.began) < s.settle:
		err = errors.New("no peer is ready, waiting for more to join")
	default:
		return "all peers have answered, none was ready", nil
	}
	r.err = err
	return "", err
}

// syncState is what readiness depends on.
type syncState struct {
	synced         bool // a ready peer has answered in full
	peers, missing int  // live peers, and those that have not answered in full
	alone, settle  time.Duration
	needsPeer      bool
}

// settle sees whether the first sync is done, and reports whether it is.
func (n *Node) settle(now time.Time, synced bool, peers, missing int) bool {
	why, err := n.ready.verdict(now, syncState{synced, peers, missing, n.cfg.AloneAfter, n.cfg.Settle, n.cfg.NeedsPeer})
	if err != nil {
		return false
	}
	n.becomeReady(why)
	return true
}

func (n *Node) becomeReady(why string) {
	n.relay.skip()
	if n.ready.end() {
		n.log.Info("gossip is ready", "why", why)
	}
}

// since returns when Run began.
func (r *readiness) since() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began
}
