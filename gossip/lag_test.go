package gossip

import (
	"testing"
	"time"

	"rollcall/gossip/gossiptest"
)

func peerStats(m *member) map[string]PeerStats {
	all := map[string]PeerStats{}
	for _, p := range m.Stats().Peers {
		all[p.Name] = p
	}
	return all
}

// The round trip to a peer is that of the network to it, in both directions, and of no other.
func TestRoundTripByPeer(t *testing.T) {
	inBubble(t, func(c *cluster) {
		const slow = 200 * time.Millisecond
		for _, other := range addrs(0, 2) {
			c.net.SetLink(addr(2), other, gossiptest.Faults{MinDelay: slow, MaxDelay: slow})
		}
		nodes := c.startAll(3)
		c.whole(2*time.Minute, nodes)
		c.until(2*time.Minute, "all have met all", func() bool {
			for _, m := range nodes {
				for _, p := range m.Stats().Peers {
					if p.RoundTrip == 0 {
						return false
					}
				}
			}
			return true
		})
		time.Sleep(2 * time.Minute) // what was measured while they joined is over
		from := peerStats(nodes[0])
		if len(from) != 2 {
			t.Fatalf("peers %v, want two", from)
		}
		if near, far := from["node001"].RoundTrip, from["node002"].RoundTrip; near <= 0 || near >= slow || far < slow || far > 6*slow {
			t.Errorf("round trips of %v to the near node and %v to the far one", near, far)
		}
	})
}

// While nothing passes between two nodes the age of what one knows of the other grows, whatever a third says of it;
// afterwards it is small again. A peer that is gone has no figures.
func TestAgeByPeer(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3)
		c.whole(time.Minute, nodes)
		age := func(name string) time.Duration { return peerStats(nodes[0])[name].Age }
		small := func(name string) func() bool {
			return func() bool { return age(name) < 10*DefaultDigestInterval }
		}
		time.Sleep(time.Minute)
		if !small("node001")() || !small("node002")() {
			t.Errorf("ages of %v and %v although all is well", age("node001"), age("node002"))
		}
		c.net.Cut(addr(0), addr(1))
		c.net.Cut(addr(1), addr(0))
		time.Sleep(2 * time.Minute)
		if age("node001") < 90*time.Second || !small("node002")() {
			t.Errorf("ages of %v for the node that is cut off and %v for the other", age("node001"), age("node002"))
		}
		c.net.HealAll()
		c.until(time.Minute, "the age is small again", small("node001"))
		c.crash(nodes[1])
		c.until(5*time.Minute, "the peer is gone", func() bool { return len(peerStats(nodes[0])) == 1 })
	})
}

func TestPeerNotesWhatItHasMet(t *testing.T) {
	now := time.Now()
	p := newPeer(entry{Member: Member{Name: "a"}}, nil)
	if s := p.stats(p.askedAt.Add(time.Minute)); s != (PeerStats{Name: "a", Age: time.Minute}) {
		t.Errorf("before the first exchange: %+v", s)
	}
	p.met(now, now.Add(30*time.Millisecond))
	if s := p.stats(now.Add(time.Second)); s != (PeerStats{Name: "a", RoundTrip: 30 * time.Millisecond, Age: time.Second}) {
		t.Errorf("after it: %+v", s)
	}
}
