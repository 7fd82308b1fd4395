// Package gossip replicates a state between nodes. Membership, failure detection and
// the encrypted transport are hashicorp/memberlist's; what the state means is its
// owner's: this package moves opaque deltas and digests of it, see [State].
//
// A change travels in one of two ways. Up to 16 members, each node pushes what it
// authored to all others; beyond, each node that sees something new sends it to a few
// random others, in a few short rounds. In both cases what to send is computed from
// the state when the way is free: there are no queues of messages, so overload makes
// batches larger and not memory. What was lost on the way comes by repair: every few
// seconds each node sends a digest to a random other, which answers with what is
// missing.
//
// Guaranteed is this: nodes that can reach each other, directly or over others, end
// up with the same state, whatever was lost, repeated or reordered before. Not
// guaranteed is any order between changes of different nodes, nor that a message of
// [State.Outbox] arrives: it is sent again while its receiver is a member, and lost
// with it.
//
// Who holds one of the keys is trusted in full. Without keys anybody who reaches the
// port can read, and can end any node.
package gossip
