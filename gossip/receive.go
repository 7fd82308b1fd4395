package gossip

import (
	"bytes"
	"time"
)

// receive takes a message from memberlist, on the goroutine of its stream. It copies
// what it keeps. It may wait for room, which slows the sender down.
func (n *Node) receive(b []byte) {
	f, err := decodeFrame(b)
	if err != nil || f.author == n.author {
		n.counters.malformed.Add(1)
		return
	}
	if !n.crew.isOpen() {
		n.counters.dropped.Add(1)
		return
	}
	n.counters.received.count(f.kind, len(b))
	n.counters.lastContact.Store(time.Now().UnixNano())
	f.body = bytes.Clone(f.body)
	p := n.peers.get(f.author)
	if p != nil {
		n.intake.trust(p.node.Name)
	}
	switch f.kind {
	case frameAsk, frameAskBack:
		if !n.server.take(f) {
			n.counters.dropped.Add(1)
		}
	case frameBusy:
		id, _ := f.id()
		n.repair.refused(f.author, id)
	default:
		n.hand(p, f)
	}
}

// hand puts a message into the inbox of its sender. What finds no room is asked for
// again later.
func (n *Node) hand(p *peer, f frame) {
	box, stop := n.strangers, (<-chan struct{})(nil)
	if p != nil {
		box, stop = p.inbox, p.gone
	}
	if box.put(f, stop) {
		return
	}
	n.counters.dropped.Add(1)
	n.repair.gap(f.author)
}

// handle applies a message, on the goroutine of its inbox.
func (n *Node) handle(f frame) {
	switch f.kind {
	case framePush:
		_ = n.apply(f.author, f.body) // counted
	case frameRepair:
		id, delta := f.id()
		n.repair.applied(f.author, id, n.apply(f.author, delta))
	case frameEnd:
		n.repair.ended(f.author, f.ending())
	case frameMail:
		if err := n.state.Mail(f.author, f.body); err != nil {
			n.counters.applyErrors.Add(1)
			n.oops("mail of a peer was refused", err)
		}
	default: // receive keeps the others
	}
}

// apply merges a delta into the state.
func (n *Node) apply(from uint64, delta []byte) error {
	news, gap, err := n.state.Apply(from, delta)
	if err != nil {
		n.counters.applyErrors.Add(1)
		n.oops("a delta of a peer was refused", err)
	}
	if gap {
		n.counters.gaps.Add(1)
		n.repair.gap(from)
	}
	if news && !n.peers.isDirect() {
		fill(n.relay.news)
	}
	return err
}
