package registry

import (
	"testing"
	"time"
)

// These tests are the table of situations of a lease, a row each.

// A heartbeat at the owner travels nowhere, and wakes nobody.
func TestLeaseHeartbeatAtOwner(t *testing.T) {
	inBubbleTrio(t, 3, Options{}, func(c *trio) {
		first := c.beat(0, "/f/a")
		c.exchange(0, 1, 2)
		watch, err := c.stores[1].Watch("/f", WatchOptions{Recursive: true, Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Close()
		before := c.stores[0].self.have
		last := first.Index()
		for range 20 {
			time.Sleep(3 * time.Second)
			e := c.beat(0, "/f/a")
			if e.Index() <= last || e.Prev == nil {
				t.Errorf("the answer shows index %d after %d, prevNode %v", e.Index(), last, e.Prev)
			}
			last = e.Index()
		}
		if c.stores[0].self.have != before || c.stores[0].Outbox(2, 1<<20) != nil {
			t.Error("a heartbeat has something to send")
		}
		if len(watch.queue) > 0 {
			t.Error("a watch was woken")
		}
		c.wantEverywhere(true, "/f/a", 0, 1, 2)
	})
}

// A lease that runs out at its owner ends exactly that version: a takeover that the
// owner has not heard of stands, in whatever order the two arrive.
func TestLeaseExpiryAgainstTakeover(t *testing.T) {
	for name, order := range map[string][]int{
		"expiry first": {0, 1}, "takeover first": {1, 0}, "expiry twice": {0, 1, 0}, "takeover twice": {1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubbleTrio(t, 3, Options{}, func(c *trio) {
				c.beat(0, "/f/a")
				c.exchange(0, 1, 2)
				time.Sleep(testTTL - time.Second)
				c.stores[1].Alive([]uint64{2, 3}) // node 1 takes node 0 for dead
				c.beat(1, "/f/a")
				time.Sleep(time.Second + time.Millisecond)
				c.wantEverywhere(false, "/f/a", 0) // it has run out there
				c.stores[1].Alive([]uint64{1, 2, 3})
				for _, from := range order {
					c.send(from, 2)
				}
				c.wantEverywhere(true, "/f/a", 1, 2)
				c.exchange(0, 1, 2)
				c.wantEverywhere(true, "/f/a", 0, 1, 2)
			})
		})
	}
}

// A heartbeat at another node reaches the owner; the third in a row from one node makes
// that the owner; hosts that go round never change it.
func TestLeaseHeartbeatElsewhere(t *testing.T) {
	inBubbleTrio(t, 3, Options{}, func(c *trio) {
		c.beat(0, "/f/a")
		c.exchange(0, 1, 2)
		for i := range 200 { // ten minutes behind a balancer
			c.pass(3*time.Second, 0, 1, 2)
			c.beat(i%3, "/f/a")
			c.exchange(0, 1, 2)
			if owner := c.owner(i % 3); owner != 1 {
				t.Fatalf("the owner is %d after %d heartbeats", owner, i)
			}
			c.wantEverywhere(true, "/f/a", 0, 1, 2)
		}
		for range 3 {
			c.pass(3*time.Second, 0, 1, 2)
			c.beat(2, "/f/a")
		}
		c.exchange(0, 1, 2)
		if owner := c.owner(0); owner != 3 {
			t.Errorf("after three heartbeats in a row at node 2 the owner is %d", owner)
		}
		c.pass(testTTL+time.Second, 0, 1, 2)
		c.wantEverywhere(false, "/f/a", 0, 1, 2)
	})
}

// An owner that does not answer a heartbeat within a quarter of the TTL loses the lease.
func TestLeaseOwnerSilent(t *testing.T) {
	inBubbleTrio(t, 3, Options{}, func(c *trio) {
		c.beat(0, "/f/a")
		c.exchange(0, 1, 2)
		c.beat(1, "/f/a")
		c.pass(testTTL/4-300*time.Millisecond, 1, 2)
		if owner := c.owner(1); owner != 1 {
			t.Errorf("taken over early, by %d", owner)
		}
		c.pass(time.Second, 1, 2)
		if owner := c.owner(2); owner != 2 {
			t.Errorf("the owner is %d", owner)
		}
	})
}

// The entries of an owner that is gone stay for one TTL on each node; a heartbeat anywhere
// takes them over; a node that comes late gets what is left, however many come.
func TestLeaseOrphans(t *testing.T) {
	inBubbleTrio(t, 4, Options{}, func(c *trio) {
		c.alive(0, 1, 2)
		c.beat(0, "/f/dead")
		c.beat(0, "/f/moves")
		c.exchange(0, 1, 2)
		time.Sleep(testTTL / 2)
		c.alive(1, 2)
		c.pass(testTTL-2*time.Second, 1, 2)
		c.wantEverywhere(true, "/f/dead", 1, 2)
		if got := c.stores[1].Stats().Replication.Orphans; got != 2 {
			t.Errorf("%d orphans", got)
		}
		c.beat(2, "/f/moves")
		c.alive(1, 2, 3) // a late joiner
		c.exchange(1, 2, 3)
		c.wantEverywhere(true, "/f/dead", 3)
		c.pass(2*time.Second+100*time.Millisecond, 1, 2, 3)
		c.wantEverywhere(false, "/f/dead", 1, 2, 3)
		c.wantEverywhere(true, "/f/moves", 1, 2, 3)
	})
}

// An owner that is back in time finds its leases as they were; one that is back late
// brings back what the others have let go and it still holds.
func TestLeaseOwnerReturns(t *testing.T) {
	inBubbleTrio(t, 3, Options{}, func(c *trio) {
		c.beat(0, "/f/a")
		c.exchange(0, 1, 2)
		away := func(d time.Duration) {
			c.alive(1, 2)
			c.stores[0].Alive([]uint64{1})
			for end := time.Now().Add(d); time.Now().Before(end); {
				c.pass(3*time.Second, 1, 2)
				c.beat(0, "/f/a")
			}
		}
		away(testTTL / 2)
		c.alive(0, 1, 2)
		c.pass(2*testTTL-time.Second, 0, 1, 2)
		c.wantEverywhere(false, "/f/a", 0, 1, 2) // nobody has said it for long
		c.beat(0, "/f/a")
		c.exchange(0, 1, 2)
		away(2 * testTTL)
		c.wantEverywhere(false, "/f/a", 1, 2)
		c.alive(0, 1, 2)
		c.exchange(0, 1, 2)
		c.wantEverywhere(true, "/f/a", 0, 1, 2)
	})
}

// A node that starts anew leaves the leases of its former boot in grace.
func TestLeaseOwnerNewBoot(t *testing.T) {
	inBubbleTrio(t, 4, Options{}, func(c *trio) {
		c.alive(0, 1, 2)
		c.beat(0, "/f/a")
		c.exchange(0, 1, 2)
		c.alive(3, 1, 2) // node 3 is the new boot of node 0
		c.exchange(3, 1, 2)
		c.wantEverywhere(true, "/f/a", 3, 1, 2)
		c.pass(testTTL/2, 3, 1, 2)
		c.beat(3, "/f/a")
		c.pass(testTTL-time.Second, 3, 1, 2)
		c.wantEverywhere(true, "/f/a", 3, 1, 2)
		c.pass(2*time.Second, 3, 1, 2)
		c.wantEverywhere(false, "/f/a", 3, 1, 2)
	})
}

// A process that was stopped gives all leases the time that it was.
func TestLeasePause(t *testing.T) {
	inBubbleTrio(t, 1, Options{}, func(c *trio) {
		c.beat(0, "/f/a")
		time.Sleep(time.Second)
		s := c.stores[0]
		s.setBeat(time.Now().Add(-30 * time.Second)) // as if Run had last been awake then
		s.upkeep()
		time.Sleep(testTTL + 20*time.Second)
		c.wantEverywhere(true, "/f/a", 0)
		time.Sleep(10 * time.Second)
		c.wantEverywhere(false, "/f/a", 0)
		if s.Stats().Replication.Pauses != 1 {
			t.Error("the pause is not counted")
		}
	})
}

// Mass loss is no special case: what is due expires on time.
func TestLeaseMassLoss(t *testing.T) {
	inBubbleTrio(t, 2, Options{}, func(c *trio) {
		for i := range 1000 {
			c.beat(0, Key("/f/"+string(rune('a'+i%26))).Child(string(rune('a'+i/26))))
		}
		c.exchange(0, 1)
		c.pass(testTTL+200*time.Millisecond, 0, 1)
		if st := c.stores[1].Stats(); st.Files != 0 {
			t.Errorf("%d entries are left", st.Files)
		}
	})
}

// Elsewhere than at its owner a lease shows its whole TTL, and counts down once the owner
// is gone.
func TestLeaseReading(t *testing.T) {
	inBubbleTrio(t, 2, Options{}, func(c *trio) {
		c.beat(0, "/f/a")
		c.exchange(0, 1)
		ttl := func(i int) int64 {
			r, err := c.stores[i].Get("/f/a", GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return r.TTLSeconds(time.Now())
		}
		time.Sleep(4 * time.Second)
		if own, other := ttl(0), ttl(1); own != 6 || other != 10 {
			t.Errorf("ttl is %d at the owner and %d elsewhere", own, other)
		}
		c.alive(1)
		time.Sleep(4 * time.Second)
		if other := ttl(1); other != 6 {
			t.Errorf("ttl of an orphan is %d", other)
		}
	})
}
