package gossip

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// gather is how long callbacks gather before they are looked at: when many nodes start
// at once each of them hears of all others within a second.
const gather = 10 * time.Millisecond

// follow turns what memberlist's callbacks told into members, peers and the state's view
// of who is alive, until the context ends.
func (n *Node) follow(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.intake.signal:
			if !sleep(ctx, nil, gather) {
				return
			}
			n.takeIn(n.intake.take(), time.Now())
		case now := <-tick.C:
			if n.table.prune(now) {
				n.showMembers()
			}
		}
	}
}

// takeIn applies what was told.
func (n *Node) takeIn(t taken, now time.Time) {
	for _, s := range t.seen {
		n.logChange(n.table.see(s, now))
	}
	suspects := 0
	for name, status := range t.suspects {
		if n.table.suspect(name, status, now) {
			suspects++
		}
	}
	if len(t.seen) > 0 {
		n.updatePeers(now)
	}
	if len(t.seen) > 0 || suspects > 0 {
		n.showMembers()
	}
	if t.conflict != nil {
		n.contend(*t.conflict, now)
	}
}

// updatePeers begins to send to new live members and ends it to those that are gone, and
// tells the state who is alive.
func (n *Node) updatePeers(now time.Time) {
	live := n.table.live()
	wasDirect := n.peers.isDirect()
	fresh := n.peers.update(live, n.author, n.state.Digest)
	if wasDirect && !n.peers.isDirect() {
		n.relay.skip()
	}
	all := n.peers.list()
	n.ready.meet(now, len(all), len(fresh))
	n.repair.forget(func(author uint64) bool { return n.peers.get(author) != nil })
	addrs := make([]string, 0, len(all))
	authors := []uint64{n.author}
	for _, p := range all {
		addrs = append(addrs, p.node.Address())
		authors = append(authors, p.author)
	}
	n.seeker.known.note(addrs, now)
	slices.Sort(authors)
	n.state.Alive(authors)
	for _, p := range fresh {
		n.meet(p, len(all))
	}
}

// meet begins to send to a new peer, and asks it for what is missing here. With many
// members only some ask: the newcomer asks by itself, and its answers reach all.
func (n *Node) meet(p *peer, peers int) {
	n.crew.run(func(ctx context.Context) { n.push(ctx, p) })
	n.crew.run(func(ctx context.Context) { p.inbox.run(ctx, p.gone, n.handle) })
	fill(p.wake)
	if peers < DirectMembers || rand.IntN(peers) < fanout {
		n.repair.want(p.author)
	}
}

// showMembers calls OnMembers.
func (n *Node) showMembers() {
	if n.cfg.OnMembers != nil {
		n.cfg.OnMembers(n.table.list())
	}
}

// logChange tells what became of a member.
func (n *Node) logChange(before, after entry) {
	log := n.log.With("name", after.Name, "addr", after.Addr)
	known := before.Name != ""
	switch {
	case after.Self:
	case !after.Status.isLive() && (!known || before.Status.isLive()):
		log.Info("member is gone", "status", after.Status.String())
	case after.Status.isLive() && (!known || !before.Status.isLive()):
		log.Info("member joined")
	case after.Author != before.Author:
		log.Info("member has started again")
	}
}
