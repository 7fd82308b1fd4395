package gossip

import (
	"sync/atomic"
	"time"
)

// Traffic is bytes in one direction since the start.
type Traffic struct {
	// Packets and Streams are bytes as they were on the wire, labels and encryption
	// included, of memberlist and of this package.
	Packets, Streams uint64
	// Bytes is the part of Streams that is messages of this package, by kind, before
	// encryption. The rest is memberlist's.
	Bytes map[string]uint64
	// Messages is their number by kind.
	Messages map[string]uint64
}

// MessageKinds returns the kinds of messages that [Traffic] tells apart.
func MessageKinds() []string { return append([]string(nil), frameNames[1:]...) }

// Stats are counts since the start, and what is the case now.
type Stats struct {
	// Members is the number of members by status, own node included.
	Members map[Status]int
	// Sent and Received are the traffic.
	Sent, Received Traffic
	// SendFailures is the number of messages that could not be sent; most are tried again.
	SendFailures uint64
	// ApplyErrors is the number of deltas and mails that the state refused.
	ApplyErrors uint64
	// Malformed is the number of messages that could not be parsed.
	Malformed uint64
	// Dropped is the number of messages for which there was no room, or that came before
	// or after Run.
	Dropped uint64
	// BusyGiven and BusyReceived are answers that ask to try elsewhere.
	BusyGiven, BusyReceived uint64
	// Gaps is the number of deltas before which something was missing.
	Gaps uint64
	// LastContact is when a message of a peer arrived last, zero if none did.
	LastContact time.Time
	// Health is memberlist's opinion of this node: 0 is healthy, 7 is bad.
	Health int
	// KeyFailures is the number of times the key file could not be used.
	KeyFailures uint64
	// HandoffDrops is the number of messages for which memberlist had no room.
	HandoffDrops uint64
	// Rejected is the number of packets and streams with another key or cluster name.
	Rejected uint64
	// JoinFailures is the number of addresses that could not be joined.
	JoinFailures uint64
	// Memberlist is what memberlist counts of itself.
	Memberlist MemberlistStats
	// Peers are the other live members, sorted by name.
	Peers []PeerStats
}

// PeerStats is how far behind a peer this node may be. Both times are of this node's monotonic clock alone: nothing
// depends on how the clocks of the nodes are set.
type PeerStats struct {
	Name string
	// RoundTrip is the time of the latest exchange that was complete: from the question, which holds this node's digest,
	// until all that the peer had beyond it was applied here. 0 means that there was none.
	RoundTrip time.Duration
	// Age is the time since that question: all that the peer had so long ago is here. Before the first exchange it counts
	// from when the peer was first seen alive.
	Age time.Duration
}

// way counts messages in one direction.
type way struct {
	bytes, messages [frameKinds]atomic.Uint64
}

func (w *way) count(kind frameKind, size int) {
	w.bytes[kind].Add(uint64(size))
	w.messages[kind].Add(1)
}

func (w *way) traffic(t *traffic) Traffic {
	r := Traffic{
		Packets: t.packets.Load(), Streams: t.streams.Load(),
		Bytes: make(map[string]uint64), Messages: make(map[string]uint64),
	}
	for kind := framePush; kind < frameKinds; kind++ {
		r.Bytes[frameNames[kind]] = w.bytes[kind].Load()
		r.Messages[frameNames[kind]] = w.messages[kind].Load()
	}
	return r
}

// counters are the sources of Stats that are counted here.
type counters struct {
	sent, received way

	sendFailures, applyErrors, malformed, dropped atomic.Uint64
	busyGiven, busyReceived, gaps, joinFailures   atomic.Uint64
	lastContact                                   atomic.Int64 // Unix nanoseconds, 0 if never
}

// Stats returns the node's counts.
func (n *Node) Stats() Stats {
	c := &n.counters
	s := Stats{
		Members:      n.table.count(),
		Sent:         c.sent.traffic(&n.transport.sent),
		Received:     c.received.traffic(&n.transport.received),
		SendFailures: c.sendFailures.Load(),
		ApplyErrors:  c.applyErrors.Load(),
		Malformed:    c.malformed.Load(),
		Dropped:      c.dropped.Load(),
		BusyGiven:    c.busyGiven.Load(),
		BusyReceived: c.busyReceived.Load(),
		Gaps:         c.gaps.Load(),
		Health:       n.list.GetHealthScore(),
		HandoffDrops: n.lines.dropped.Load(),
		Rejected:     n.lines.rejected.Load(),
		JoinFailures: c.joinFailures.Load(),
		Memberlist:   n.memberlistStats(),
	}
	now := time.Now()
	for _, p := range n.peers.list() {
		s.Peers = append(s.Peers, p.stats(now))
	}
	if at := c.lastContact.Load(); at != 0 {
		s.LastContact = time.Unix(0, at)
	}
	if n.keys != nil {
		s.KeyFailures = n.keys.failures.Load()
	}
	return s
}
