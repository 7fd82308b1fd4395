package gossip

// State is the replicated state as this package sees it. All methods may be called
// concurrently, also while another of them runs, and must return within milliseconds:
// none may wait for the network or for a peer. Slices that are passed or returned are
// not changed afterwards by either side.
//
// Digests and deltas travel between nodes, so that what one node makes another must be
// able to read. Applying is commutative and idempotent: deltas arrive twice, late, and
// in any order.
type State interface {
	// Author returns the id of this boot of this node. It is unique, not 0, the same
	// for the life of the process, and larger for each later boot of a node.
	Author() uint64

	// News returns a channel with one slot that is filled when Delta, OwnDelta or
	// Outbox may have something new for some peer. It is always the same channel.
	News() <-chan struct{}

	// Digest returns what this node has, for a peer's Delta.
	Digest() []byte

	// Delta returns the next part of what is missing in a copy of the state that has
	// have, about max bytes at most, and what that copy has after applying it. It
	// returns no delta when nothing more is missing. The error says that have is
	// malformed.
	Delta(have []byte, max int) (delta, then []byte, err error)

	// OwnDelta is Delta restricted to what this node itself put into circulation.
	OwnDelta(have []byte, max int) (delta, then []byte, err error)

	// Lacks reports whether a copy with that digest has something this node lacks. It
	// is false for a malformed one.
	Lacks(have []byte) bool

	// HasGap reports whether something is missing here that precedes what is there. What
	// comes out of turn is often followed at once by what it overtook.
	HasGap() bool

	// Apply merges a delta that came from the node with the given author id. That
	// something in it was new here is told by news: it is then passed on where that is
	// needed. That something before it is missing here is told by gap: it is then
	// asked for. A bad record in it is dropped alone and is no error.
	Apply(from uint64, delta []byte) (news, gap bool, err error)

	// Alive tells the authors of all nodes that are alive now, own included, sorted. It
	// is called at each change, by one goroutine.
	Alive(authors []uint64)

	// Outbox takes the messages that wait for one author, about max bytes at most, nil
	// if there are none. They are the caller's to deliver from then on.
	Outbox(to uint64, max int) []byte

	// Mail is given what a peer's Outbox returned. It may be given it twice.
	Mail(from uint64, mail []byte) error
}
