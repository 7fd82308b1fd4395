package gossip

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// chunkSize is about the size of one delta. Above it memberlist's reliable send gets no
// faster.
const chunkSize = 64 << 10

// pushGap is the least time between two sends to a peer. The first change after a calm
// goes at once; those that follow close behind share a connection, whose set-up costs far
// more than what it carries.
const pushGap = time.Millisecond

// Pauses after a failed send, jittered. The first is short, because most failures are
// single ones.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// peer is a live member other than this node, in one boot. A goroutine sends to it,
// another applies what it sent.
type peer struct {
	node   *memberlist.Node // of our own, never changed
	author uint64
	wake   chan struct{} // one slot: there may be something to send
	gone   chan struct{} // closed when it is no live member any more
	inbox  *inbox

	mu        sync.Mutex
	batch     [][]byte      // deltas of the relay to send on, the head first; replaced as a whole
	askedAt   time.Time     // of the last question that was answered in full; of the peer's coming before the first
	roundTrip time.Duration // until all of that answer was applied, 0 before the first

	// Only the sending goroutine has what follows, once it has begun.
	cursor []byte // what of our own the peer has, if nothing was lost
	direct bool   // own deltas were pushed to it last time
	mail   []byte // taken from the outbox, not sent yet
}

// peers is the peers by author, sorted by name.
type peers struct {
	mu     sync.RWMutex // held for the time of one operation on memory
	all    map[uint64]*peer
	sorted []*peer
}

// get returns the peer with an author id, nil if there is none.
func (ps *peers) get(author uint64) *peer {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.all[author]
}

// list returns all peers, sorted by name. The slice is not to be changed.
func (ps *peers) list() []*peer {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.sorted
}

// isDirect reports whether there are few enough members for each to push to all.
func (ps *peers) isDirect() bool { return len(ps.list())+1 <= DirectMembers }

// update makes the peers those of rows, and returns the new ones. It is called by one
// goroutine.
func (ps *peers) update(rows []entry, own uint64, digest func() []byte) (fresh []*peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	all := make(map[uint64]*peer)
	sorted := make([]*peer, 0, len(rows))
	for _, row := range rows {
		if row.Self || row.Author == own || all[row.Author] != nil {
			continue
		}
		p := ps.all[row.Author]
		if p == nil || p.node.Address() != row.Addr || p.node.Name != row.Name {
			p = newPeer(row, digest())
			fresh = append(fresh, p)
		}
		all[row.Author] = p
		sorted = append(sorted, p)
	}
	for author, p := range ps.all {
		if all[author] != p {
			close(p.gone)
		}
	}
	ps.all, ps.sorted = all, sorted
	return fresh
}

func newPeer(row entry, digest []byte) *peer {
	return &peer{
		node:   &memberlist.Node{Name: row.Name, Addr: row.ip, Port: row.port},
		author: row.Author,
		wake:   make(chan struct{}, 1),
		gone:   make(chan struct{}),
		inbox:  newInbox(),
		cursor: digest,
		direct: true,

		askedAt: time.Now(),
	}
}

// met notes that all of the peer's answer to a question has been applied: what it had when it was asked is here.
func (p *peer) met(asked, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.askedAt, p.roundTrip = asked, now.Sub(asked)
}

// stats returns how far behind the peer this node may be.
func (p *peer) stats(now time.Time) PeerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PeerStats{Name: p.node.Name, RoundTrip: p.roundTrip, Age: now.Sub(p.askedAt)}
}

// offer gives the peer deltas to be sent on. It reports false if it has some still.
func (p *peer) offer(batch [][]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.batch) > 0 {
		return false
	}
	p.batch = batch
	fill(p.wake)
	return true
}

// relayed returns the next delta to be sent on.
func (p *peer) relayed() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.batch) == 0 {
		return nil
	}
	return p.batch[0]
}

// shift drops the delta that relayed returned.
func (p *peer) shift() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batch = slices.Clip(p.batch[1:])
}

// push sends to a peer what there is whenever there is something, until the peer is
// gone or the context ends.
func (n *Node) push(ctx context.Context, p *peer) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.gone:
			return
		case <-p.wake:
		}
		if !n.drain(ctx, p) {
			return
		}
	}
}

// drain sends to a peer until there is nothing more. After a failure it waits and goes
// on where it was. It reports false when the peer is gone or the context has ended.
func (n *Node) drain(ctx context.Context, p *peer) bool {
	pause, failed := firstPause, false
	for {
		sent, err := n.pushNext(p)
		switch {
		case err != nil:
			failed = true
			if !sleep(ctx, p.gone, jitter(pause)) {
				return false
			}
			pause = min(2*pause, lastPause)
		case !sent:
			if failed {
				n.repair.want(p.author)
			}
			return true
		default:
			pause = firstPause
			if !sleep(ctx, p.gone, pushGap) {
				return false
			}
		}
	}
}

// pushNext sends one message of each sort that there is.
func (n *Node) pushNext(p *peer) (sent bool, err error) {
	for _, send := range []func(*peer) (bool, error){n.pushMail, n.pushOwn, n.pushRelayed} {
		one, err := send(p)
		if err != nil {
			return sent, err
		}
		sent = sent || one
	}
	return sent, nil
}

func (n *Node) pushMail(p *peer) (bool, error) {
	if p.mail == nil {
		p.mail = n.state.Outbox(p.author, chunkSize)
	}
	if p.mail == nil {
		return false, nil
	}
	if err := n.send(p, frameMail, p.mail); err != nil {
		return false, err
	}
	p.mail = nil
	return true, nil
}

// pushOwn sends the next part of what this node authored. The cursor moves on only when
// that succeeded.
func (n *Node) pushOwn(p *peer) (bool, error) {
	direct := n.peers.isDirect()
	if !direct || !p.direct {
		if p.direct = direct; direct {
			p.cursor = n.state.Digest()
		}
		return false, nil
	}
	delta, then, err := n.state.OwnDelta(p.cursor, chunkSize)
	if err != nil {
		n.oops("a cursor of ours cannot be read", err)
		p.cursor = n.state.Digest()
		return false, nil
	}
	if delta == nil {
		return false, nil
	}
	if err := n.send(p, framePush, delta); err != nil {
		return false, err
	}
	p.cursor = then
	return true, nil
}

func (n *Node) pushRelayed(p *peer) (bool, error) {
	delta := p.relayed()
	if delta == nil {
		return false, nil
	}
	if err := n.send(p, framePush, delta); err != nil {
		return false, err
	}
	p.shift()
	return true, nil
}

// send sends one message to a peer and waits until it is written.
func (n *Node) send(p *peer, kind frameKind, body []byte) error {
	b := frame{kind: kind, author: n.author, body: body}.encode()
	if err := n.list.SendReliable(p.node, b); err != nil {
		n.counters.sendFailures.Add(1)
		return err
	}
	n.counters.sent.count(kind, len(b))
	return nil
}

// sleep waits. It reports false if stop or the end of the context came first.
func sleep(ctx context.Context, stop <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-stop:
		return false
	case <-t.C:
		return true
	}
}

// jitter returns a random duration from half of d to d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}
