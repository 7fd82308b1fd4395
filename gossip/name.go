package gossip

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"
)

// ErrNameTaken is returned by [Node.Run] when a node with this node's name was there
// before and still is.
var ErrNameTaken = errors.New("another node has this name")

const (
	// reclaimAfter is how long a dead node's name stays bound to its address. A node
	// that comes back with another address waits for its former self to be found dead,
	// and this.
	reclaimAfter = time.Second
	// youngFor is how long after its start a node gives way to an older one.
	youngFor = 30 * time.Second
	// claimPause is the time between two looks at who has the name.
	claimPause = time.Second
	// claimFresh is how recent the last sign of the other must be at the end.
	claimFresh = 3 * claimPause
)

// claim is a node's doubt whether its name is free, as only the goroutine that follows
// memberlist and the one that looks know it; under Node.claimMu.
type claim struct {
	open bool
	last time.Time // the latest sign that others know another node by the name
}

// contend deals with another node that has this node's name. The older one keeps it: an
// established node tells about the other, one that has just started sees whether the
// other is there still, because it may be its own former self.
func (n *Node) contend(r rival, now time.Time) {
	young := now.Sub(n.ready.since()) < youngFor || n.Ready() != nil
	if r.author == 0 || r.author >= n.author || !young {
		if held, ok := n.limit.pass("name", now); ok {
			n.log.Warn("another node has this node's name", "addr", r.addr, "suppressed", held)
		}
		return
	}
	n.claimMu.Lock()
	defer n.claimMu.Unlock()
	n.claim.last = now
	if !n.claim.open {
		n.claim.open = n.crew.run(func(ctx context.Context) { n.contest(ctx, r) })
	}
}

// contest looks for some time whether the other node answers, and whether the cluster
// still knows it. Memberlist needs about the time of patience to find a node dead.
func (n *Node) contest(ctx context.Context, r rival) {
	n.log.Info("this node's name was another's, waiting whether it is still there", "addr", r.addr)
	answers := 0
	for end := time.Now().Add(patience(len(n.peers.list()) + 1)); ; {
		if n.isThere(r) {
			answers++
		}
		now := time.Now()
		if answers > 1 || now.After(end) {
			break
		}
		fill(n.seeker.now)
		if !sleep(ctx, nil, claimPause) {
			return
		}
	}
	n.claimMu.Lock()
	defer n.claimMu.Unlock()
	n.claim.open = false
	if answers > 1 || time.Since(n.claim.last) < claimFresh {
		n.fail(fmt.Errorf("%w: %q at %s", ErrNameTaken, n.cfg.Name, r.addr))
		return
	}
	n.log.Info("this node's name is free", "addr", r.addr)
}

// isThere reports whether a node answers by this node's name at another address.
func (n *Node) isThere(r rival) bool {
	addr, err := netip.ParseAddrPort(r.addr)
	if err != nil {
		return false
	}
	_, err = n.list.Ping(n.cfg.Name, net.UDPAddrFromAddrPort(addr))
	return err == nil
}

// patience returns how long memberlist may need to find a member of so many dead: 12 s
// for ten, some 30 s for 200.
func patience(members int) time.Duration {
	return 12*time.Second + time.Duration(14*max(0, math.Log10(float64(members))-1)*float64(time.Second))
}
