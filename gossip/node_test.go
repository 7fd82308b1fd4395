package gossip

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"rollcall/gossip/gossiptest"
)

func TestThreeNodesReplicate(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3)
		c.whole(5*time.Second, nodes)
		for i := range 50 {
			nodes[i%3].state.publish(fmt.Sprint("record ", i))
		}
		took := c.until(time.Second, "all have all", func() bool { return have(nodes, 50) })
		t.Log("took", took)
		nodes[0].state.post(nodes[2].author, "hello")
		c.until(time.Second, "mail arrives", func() bool { return len(nodes[2].state.mailed()) == 1 })
	})
}

func TestJoinInAnyOrder(t *testing.T) {
	inBubble(t, func(c *cluster) {
		seeds := append(addrs(0, 5), "10.9.9.9:7946", "10.9.9.8:7946")
		var nodes []*member
		for _, i := range []int{3, 0, 4, 1, 2} {
			nodes = append(nodes, c.start(i, seeds))
			time.Sleep(700 * time.Millisecond)
		}
		c.whole(15*time.Second, nodes)
		nodes[0].state.publish("a")
		c.until(time.Second, "all have it", func() bool { return have(nodes, 1) })
	})
}

func TestNewcomerGetsEverything(t *testing.T) {
	inBubble(t, func(c *cluster) {
		first := c.start(0, nil)
		for i := range 20000 {
			first.state.publish(fmt.Sprintf("record %d with some more bytes so that it takes several parts", i))
		}
		second := c.start(1, addrs(0, 2))
		<-second.Synced()
		if second.state.total() != 20000 {
			t.Errorf("ready with %d records", second.state.total())
		}
	})
}

func TestAloneWithSeeds(t *testing.T) {
	inBubble(t, func(c *cluster) {
		begin := time.Now()
		n := c.start(0, addrs(0, 3))
		if err := n.Ready(); err == nil {
			t.Error("ready at once")
		}
		<-n.Synced()
		if took := time.Since(begin); took < DefaultAloneAfter || took > DefaultAloneAfter+time.Second {
			t.Errorf("ready after %v", took)
		}
		time.Sleep(10 * time.Minute)
		if got := c.log.count("can be joined"); got != 1 {
			t.Errorf("%d lines about seeds that cannot be reached", got)
		}
		c.whole(time.Minute, append([]*member{n}, c.start(1, addrs(0, 3))))
	})
}

func TestPartitionHeals(t *testing.T) {
	for _, length := range []time.Duration{20 * time.Second, 45 * time.Second, 2 * time.Minute, 5 * time.Minute} {
		t.Run(length.String(), func(t *testing.T) {
			inBubble(t, func(c *cluster) {
				nodes := c.startAll(5)
				c.whole(5*time.Second, nodes)
				c.net.Partition(addrs(0, 2), addrs(2, 5))
				nodes[0].state.publish("left")
				nodes[4].state.publish("right")
				time.Sleep(length)
				c.net.HealAll()
				took := c.until(2*DefaultRejoinInterval, "whole again", func() bool {
					return isWhole(nodes) && have(nodes, 2)
				})
				t.Log("took", took)
			})
		})
	}
}

func TestConvergesUnderFaults(t *testing.T) {
	inBubble(t, func(c *cluster) {
		c.net.SetFaults(gossiptest.Faults{
			MinDelay: time.Millisecond, MaxDelay: 60 * time.Millisecond,
			Loss: 0.2, Repeat: 0.2, DialLoss: 0.1, StreamLoss: 0.1,
		})
		nodes := c.startAll(5)
		c.until(time.Minute, "all are ready", func() bool { return ready(nodes) })
		for i := range 500 {
			nodes[i%5].state.publish(fmt.Sprint("record ", i))
			time.Sleep(5 * time.Millisecond)
		}
		c.until(20*time.Second, "all have all", func() bool { return have(nodes, 500) })
	})
}

func ready(nodes []*member) bool {
	for _, m := range nodes {
		if m.Ready() != nil {
			return false
		}
	}
	return true
}

func TestLostPushIsRepaired(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3)
		c.whole(5*time.Second, nodes)
		c.net.SetLink(addr(0), addr(2), gossiptest.Faults{StreamLoss: 1})
		nodes[0].state.publish("a")
		took := c.until(2*DefaultDigestInterval, "all have it", func() bool { return have(nodes, 1) })
		t.Log("took", took)
	})
}

func TestGapIsRepairedAtOnce(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(2, func(cfg *Config) { cfg.DigestInterval = time.Hour })
		c.whole(5*time.Second, nodes)
		c.net.SetLink(addr(0), addr(1), gossiptest.Faults{StreamLoss: 1})
		nodes[0].state.publish("lost")
		time.Sleep(time.Second)
		c.net.SetLink(addr(0), addr(1), gossiptest.Faults{})
		nodes[0].state.publish("not lost")
		took := c.until(500*time.Millisecond, "both have both", func() bool { return have(nodes, 2) })
		t.Log("took", took)
	})
}

func TestSlowPeerDelaysNobody(t *testing.T) {
	for name, disturb := range map[string]func(*cluster, *member){
		"paused":        func(c *cluster, m *member) { c.net.Pause(m.Addr()) },
		"reads nothing": func(_ *cluster, m *member) { m.state.slow = func() { time.Sleep(5 * time.Minute) } },
		"takes a minute": func(c *cluster, m *member) {
			c.net.SetLink(addr(0), m.Addr(), gossiptest.Faults{MinDelay: time.Minute})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c *cluster) {
				nodes := c.startAll(4)
				c.whole(5*time.Second, nodes)
				disturb(c, nodes[3])
				others := nodes[:3]
				for i := range 60 {
					nodes[0].state.publish(string(make([]byte, 50000)))
					c.until(100*time.Millisecond, "the others have it", func() bool { return have(others, i+1) })
				}
				nodes[3].state.mu.Lock()
				nodes[3].state.slow = nil
				nodes[3].state.mu.Unlock()
				c.net.Resume(addr(3))
				time.Sleep(10 * time.Minute)
			})
		})
	}
}

func TestRestartWithNewAuthor(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3)
		c.whole(5*time.Second, nodes)
		nodes[2].state.publish("of the first boot")
		c.until(time.Second, "all have it", func() bool { return have(nodes, 1) })
		c.crash(nodes[2])
		nodes[2] = c.start(2, addrs(0, 3))
		c.until(5*time.Second, "it is back", func() bool { return isWhole(nodes) && have(nodes, 1) })
		nodes[2].state.publish("of the second boot")
		c.until(time.Second, "all have both", func() bool { return have(nodes, 2) })
	})
}

func TestLeaving(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3)
		c.whole(5*time.Second, nodes)
		begin := time.Now()
		nodes[2].stop()
		<-nodes[2].ended
		if took := time.Since(begin); took > 2500*time.Millisecond || nodes[2].err != nil {
			t.Errorf("left after %v with %v", took, nodes[2].err)
		}
		c.until(time.Second, "it has left", func() bool { return nodes[0].table.count()[Left] == 1 })
		c.crash(nodes[1])
		c.until(15*time.Second, "the other has died", func() bool { return nodes[0].table.count()[Dead] == 1 })
		time.Sleep(7 * time.Minute)
		if got := len(nodes[0].Members()); got != 1 {
			t.Errorf("%d members shown after some minutes", got)
		}
	})
}

func TestNameTaken(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3)
		c.whole(5*time.Second, nodes)
		intruder := c.start(7, addrs(0, 3), func(cfg *Config) { cfg.Name = nodes[2].cfg.Name })
		begin := time.Now()
		<-intruder.ended
		t.Log("took", time.Since(begin), intruder.err)
		if !errors.Is(intruder.err, ErrNameTaken) || time.Since(begin) > 15*time.Second {
			t.Errorf("ended after %v with %v", time.Since(begin), intruder.err)
		}
		time.Sleep(30 * time.Second)
		nodes[2].state.publish("still here")
		c.until(time.Second, "all have it", func() bool { return isWhole(nodes) && have(nodes, 1) })
		if got := c.log.count("WARN another node has this node's name"); got != 1 {
			t.Errorf("%d warnings", got)
		}
	})
}

func TestComesBackAtAnotherAddress(t *testing.T) {
	for _, size := range []int{2, 3, 7} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			inBubble(t, func(c *cluster) {
				nodes := c.startAll(size)
				c.whole(5*time.Second, nodes)
				last := nodes[size-1]
				c.crash(last)
				nodes[size-1] = c.start(20, addrs(0, size), func(cfg *Config) { cfg.Name = last.cfg.Name })
				took := c.until(20*time.Second, "it is back", func() bool { return isWhole(nodes) })
				t.Log("took", took)
				time.Sleep(30 * time.Second)
				if !isWhole(nodes) {
					t.Error("it does not last")
				}
			})
		})
	}
}

func TestNewsWithoutPeersCostNothing(t *testing.T) {
	inBubble(t, func(c *cluster) {
		n := c.start(0, nil)
		<-n.Synced()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 1_000_000 {
			fill(n.state.news)
		}
		time.Sleep(time.Minute)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		if sent := c.net.Bytes(addr(0)).Sent; sent != 0 {
			t.Errorf("%d bytes were sent", sent)
		}
	})
}

func TestTagIsTold(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3, func(cfg *Config) { cfg.ClientURLs = []string{"http://x:1"} })
		c.whole(5*time.Second, nodes)
		nodes[1].SetTag(9)
		c.until(2*time.Second, "the others see it", func() bool {
			m := nodes[0].Members()[1]
			return m.Tag == 9 && m.ClientURLs[0] == "http://x:1" && !m.Self
		})
	})
}
