package gossip

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// intake takes what memberlist's callbacks tell, which run under memberlist's lock: it
// keeps the latest about each node and fills a slot. It never waits and never asks
// memberlist anything.
type intake struct {
	self   string
	signal chan struct{} // one slot: there is something to take

	mu       sync.Mutex
	seen     map[string]sighting
	suspects map[string]Status // Suspect or Alive, since taken last
	doubted  map[string]bool   // those who are suspected now
	conflict *rival
}

// rival is another node that has this node's name.
type rival struct {
	addr   string
	author uint64 // 0 if its meta is malformed
}

func newIntake(self string) *intake {
	return &intake{
		self: self, signal: make(chan struct{}, 1),
		seen: make(map[string]sighting), suspects: make(map[string]Status), doubted: make(map[string]bool),
	}
}

// taken is what there was in an intake.
type taken struct {
	seen     []sighting
	suspects map[string]Status
	conflict *rival
}

// take empties the intake.
func (i *intake) take() taken {
	i.mu.Lock()
	defer i.mu.Unlock()
	t := taken{slices.Collect(maps.Values(i.seen)), i.suspects, i.conflict}
	i.seen, i.suspects, i.conflict = make(map[string]sighting), make(map[string]Status), nil
	return t
}

func (i *intake) wake() {
	select {
	case i.signal <- struct{}{}:
	default:
	}
}

// doubt notes that a probe of a node failed.
func (i *intake) doubt(name string) {
	i.mu.Lock()
	i.doubted[name], i.suspects[name] = true, Suspect
	i.mu.Unlock()
	i.wake()
}

// trust notes that a node was heard of as alive.
func (i *intake) trust(name string) {
	i.mu.Lock()
	doubted := i.doubted[name]
	if doubted {
		delete(i.doubted, name)
		i.suspects[name] = Alive
	}
	i.mu.Unlock()
	if doubted {
		i.wake()
	}
}

// whether says which event of a node it was.
type whether uint8

const (
	here whether = iota
	gone
)

// note copies what memberlist's node says. Its meta was accepted by NotifyAlive.
func (i *intake) note(node *memberlist.Node, w whether) {
	m, err := decodeMeta(node.Meta)
	if err != nil {
		return
	}
	i.mu.Lock()
	i.seen[node.Name] = sighting{
		name: node.Name, ip: slices.Clone(node.Addr), port: node.Port, meta: m, gone: w == gone,
	}
	delete(i.doubted, node.Name)
	delete(i.suspects, node.Name)
	i.mu.Unlock()
	i.wake()
}

// NotifyJoin is memberlist's callback for a node that is alive.
func (i *intake) NotifyJoin(node *memberlist.Node) { i.note(node, here) }

// NotifyUpdate is memberlist's callback for a node with another meta.
func (i *intake) NotifyUpdate(node *memberlist.Node) { i.note(node, here) }

// NotifyLeave is memberlist's callback for a node that died or left.
func (i *intake) NotifyLeave(node *memberlist.Node) { i.note(node, gone) }

// NotifyAlive is memberlist's question whether to accept a node.
func (i *intake) NotifyAlive(node *memberlist.Node) error {
	if _, err := decodeMeta(node.Meta); err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	i.trust(node.Name)
	return nil
}

// NotifyConflict is memberlist's callback for a second node with a name.
func (i *intake) NotifyConflict(existing, other *memberlist.Node) {
	if existing.Name != i.self {
		return
	}
	m, _ := decodeMeta(other.Meta)
	i.mu.Lock()
	i.conflict = &rival{addr: other.Address(), author: m.author}
	i.mu.Unlock()
	i.wake()
}

// AckPayload is memberlist's question what to add to an answer to a probe.
func (i *intake) AckPayload() []byte { return nil }

// NotifyPingComplete is memberlist's callback for a probe that was answered.
func (i *intake) NotifyPingComplete(node *memberlist.Node, _ time.Duration, _ []byte) {
	i.trust(node.Name)
}

// delegate is memberlist's view of a node: its meta and its messages. The broadcast
// queue and the state of push/pull carry nothing of ours.
type delegate struct{ node *Node }

// NodeMeta is memberlist's question for the meta.
func (d delegate) NodeMeta(limit int) []byte { return d.node.meta().encode(limit) }

// NotifyMsg is memberlist's callback for a message. The buffer is memberlist's.
func (d delegate) NotifyMsg(b []byte) { d.node.receive(b) }

// GetBroadcasts is memberlist's question what to add to its packets: nothing.
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState is memberlist's question what to add to a push/pull: nothing.
func (d delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState is given what a push/pull carried beside the members: nothing.
func (d delegate) MergeRemoteState([]byte, bool) {}
