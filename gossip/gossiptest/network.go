// Package gossiptest is a network in memory for tests of rollcall/gossip, with delay,
// loss, repetition, reordering and cuts, made for testing/synctest: it uses no file
// descriptors, and all its waiting is on channels and timers.
//
// What it decides at random comes from a seed. A run is still not repeatable to the
// letter, because memberlist and the scheduler have a chance of their own.
package gossiptest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Faults is what a link does to what passes it. The zero value is a link without delay
// or loss.
type Faults struct {
	// MinDelay and MaxDelay bound how long a packet, or a part of a stream, is on its
	// way. Packets overtake each other, parts of a stream do not.
	MinDelay, MaxDelay time.Duration
	// Loss is the probability that a packet is lost, Repeat that it arrives twice.
	Loss, Repeat float64
	// DialLoss is the probability that a stream cannot be opened, which its opener
	// learns; StreamLoss that it can, but nothing of it arrives, which it does not.
	DialLoss, StreamLoss float64
}

// Bytes counts what a node sent and received, in packets and streams.
type Bytes struct{ Sent, Received uint64 }

// link is a way from one address to another.
type link struct{ from, to string }

// blockage is how far a link is cut.
type blockage uint8

const (
	packetsCut blockage = 1 + iota
	allCut
)

// Network connects transports. All methods may be called concurrently.
type Network struct {
	mu         sync.Mutex // held for the time of one operation on memory
	rand       *rand.Rand
	faults     Faults
	links      map[link]Faults
	cuts       map[link]blockage
	paused     map[string]bool
	transports map[string]*Transport
	bytes      map[string]*Bytes
	changed    chan struct{} // closed and replaced when cuts, paused or transports change
}

// NewNetwork returns a network without nodes or faults.
func NewNetwork(seed uint64) *Network {
	return &Network{
		rand:       rand.New(rand.NewPCG(seed, seed)),
		links:      make(map[link]Faults),
		cuts:       make(map[link]blockage),
		paused:     make(map[string]bool),
		transports: make(map[string]*Transport),
		bytes:      make(map[string]*Bytes),
		changed:    make(chan struct{}),
	}
}

// change runs f and lets all who wait look again.
func (n *Network) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

// SetFaults sets the faults of all links that have none of their own.
func (n *Network) SetFaults(f Faults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = f
}

// SetLink sets the faults of the way from one address to another.
func (n *Network) SetLink(from, to string, f Faults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[link{from, to}] = f
}

// Cut stops everything on the way from one address to another. What is in a stream
// waits.
func (n *Network) Cut(from, to string) { n.block(from, to, allCut) }

// CutPackets stops packets on the way from one address to another.
func (n *Network) CutPackets(from, to string) { n.block(from, to, packetsCut) }

func (n *Network) block(from, to string, b blockage) {
	n.change(func() { n.cuts[link{from, to}] = b })
}

// Heal undoes cuts of the way from one address to another.
func (n *Network) Heal(from, to string) {
	n.change(func() { delete(n.cuts, link{from, to}) })
}

// HealAll undoes all cuts.
func (n *Network) HealAll() {
	n.change(func() { clear(n.cuts) })
}

// Partition cuts all ways between the groups, in both directions.
func (n *Network) Partition(groups ...[]string) {
	n.change(func() {
		for i, a := range groups {
			for j, b := range groups {
				if i == j {
					continue
				}
				for _, from := range a {
					for _, to := range b {
						n.cuts[link{from, to}] = allCut
					}
				}
			}
		}
	})
}

// Pause stops everything from and to a node, as if its process were stopped: the last
// packets and the streams wait for Resume.
func (n *Network) Pause(addr string) {
	n.change(func() { n.paused[addr] = true })
}

// Resume undoes Pause.
func (n *Network) Resume(addr string) {
	n.change(func() { delete(n.paused, addr) })
}

// Bytes returns what a node sent and received so far.
func (n *Network) Bytes(addr string) Bytes {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *n.count(addr)
}

// count returns the counter of an address. The lock must be held.
func (n *Network) count(addr string) *Bytes {
	c := n.bytes[addr]
	if c == nil {
		c = &Bytes{}
		n.bytes[addr] = c
	}
	return c
}

// Addrs returns the addresses of the nodes that are up, sorted.
func (n *Network) Addrs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for addr := range n.transports {
		all = append(all, addr)
	}
	slices.Sort(all)
	return all
}

// faultsOf returns the faults of a link. The lock must be held.
func (n *Network) faultsOf(l link) Faults {
	if f, ok := n.links[l]; ok {
		return f
	}
	return n.faults
}

// chance is true with a probability. The lock must be held.
func (n *Network) chance(p float64) bool { return p > 0 && n.rand.Float64() < p }

// delay returns how long something is on its way. The lock must be held.
func (n *Network) delay(f Faults) time.Duration {
	if f.MaxDelay <= f.MinDelay {
		return f.MinDelay
	}
	return f.MinDelay + time.Duration(n.rand.Int64N(int64(f.MaxDelay-f.MinDelay)))
}

// streamDelay returns how long a part of a stream is on its way.
func (n *Network) streamDelay(l link) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.delay(n.faultsOf(l))
}

// flows reports whether parts of streams pass a link now, and else when to look again.
func (n *Network) flows(l link) (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[l] != allCut && !n.paused[l.from] && !n.paused[l.to], n.changed
}

// Linger waits until the goroutines that memberlist leaves behind after its shutdown
// have ended. In a synctest bubble that takes no time, and the bubble cannot end before.
func Linger() { time.Sleep(3 * time.Minute) }
