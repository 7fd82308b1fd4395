package registry

import "time"

// Node is one version of an entry: a file with a value, or a directory. It is
// immutable once published; a write replaces it by a new Node.
type Node struct {
	Key           Key
	Value         string // "" for a directory
	CreatedIndex  uint64 // 0 for the root
	ModifiedIndex uint64 // 0 for the root

	rec   *record // what replicates of it; nil for a directory that is there only for what is below it
	grant *grant  // nil without a lease
	dir   *dir    // the entries of a directory, guarded by the store's mutex; nil for a file
}

// grant is what one version of a node was given as its lease. It is immutable.
type grant struct {
	ttl        time.Duration
	expiration time.Time // with a monotonic reading; zero while another node counts
	lease      *lease    // in the expiry queue, shared by the versions of the node; nil while another node counts
}

// IsDir tells whether the node is a directory.
func (n *Node) IsDir() bool { return n.dir != nil }

// HasLease tells whether the node goes away by itself.
func (n *Node) HasLease() bool { return n.grant != nil }

// TTL returns the lease as it was granted, 0 without one.
func (n *Node) TTL() time.Duration {
	if n.grant == nil {
		return 0
	}
	return n.grant.ttl
}

// Expiration returns when the lease runs out as known at time now, the zero time without
// a lease. While another node keeps the lease that is its whole TTL from now on.
func (n *Node) Expiration(now time.Time) time.Time {
	switch {
	case n.grant == nil:
		return time.Time{}
	case n.grant.expiration.IsZero():
		return now.Add(n.grant.ttl)
	default:
		return n.grant.expiration
	}
}

// lease returns what stands for the node in the expiry queue, nil without a lease.
func (n *Node) lease() *lease {
	if n == nil || n.grant == nil {
		return nil
	}
	return n.grant.lease
}

// TTLSeconds returns how long the lease has left at time now, rounded up to whole
// seconds as etcd does; 0 or less when it has run out. Only for nodes with a lease.
func (n *Node) TTLSeconds(now time.Time) int64 {
	left := n.Expiration(now).Sub(now)
	s := int64(left / time.Second)
	if left%time.Second > 0 {
		s++
	}
	return s
}

// withoutEntries returns the node as events show it: a directory keeps its nature
// but no longer leads to what it holds, so that the history keeps no removed tree.
func (n *Node) withoutEntries() *Node {
	if n.dir == nil {
		return n
	}
	bare := *n
	bare.dir = noEntries
	return &bare
}

var noEntries = new(dir)

// Listing is an immutable snapshot of a node and, for a directory, of what is in
// it, sorted by name, without hidden names.
type Listing struct {
	*Node
	Entries []Listing
}
