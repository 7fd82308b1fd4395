package gossip

import (
	"fmt"
	"testing"
	"time"

	"rollcall/gossip/gossiptest"
)

// lossy is the network of the tests with many nodes: a tenth of all is lost.
var lossy = gossiptest.Faults{
	MinDelay: time.Millisecond / 2, MaxDelay: 3 * time.Millisecond,
	Loss: 0.1, DialLoss: 0.05, StreamLoss: 0.05,
}

// spread runs a cluster of count nodes in which changes are made, and returns the bytes
// that one node sent for them, own traffic of memberlist left out.
func spread(t *testing.T, count, changes int) (perNode uint64) {
	t.Helper()
	inBubble(t, func(c *cluster) {
		nodes := []*member{c.start(0, nil)}
		for i := 1; i < count; i++ {
			nodes = append(nodes, c.start(i, addrs(0, 3)))
		}
		c.until(2*time.Minute, "all are ready and know each other", func() bool { return isWhole(nodes) })
		time.Sleep(5 * time.Second)
		c.net.SetFaults(lossy)
		before := pushed(nodes)
		worst := time.Duration(0)
		for i := range changes {
			nodes[i*7%count].state.publish(fmt.Sprintf("change %d%100s", i, ""))
			took := c.until(2*time.Second, "all have the change", func() bool { return have(nodes, i+1) })
			worst = max(worst, took)
		}
		perNode = (pushed(nodes) - before) / uint64(count)
		t.Logf("%d nodes: slowest change %v, %d bytes a node for %d changes", count, worst, perNode, changes)
		c.net.SetFaults(gossiptest.Faults{})
	})
	return perNode
}

// pushed is the bytes of deltas that all nodes sent.
func pushed(nodes []*member) (sum uint64) {
	for _, m := range nodes {
		b := m.Stats().Sent.Bytes
		sum += b["push"] + b["repair"]
	}
	return sum
}

func TestManyNodes(t *testing.T) {
	at, after := spread(t, few, 5), spread(t, many, 5)
	if after > 2*at {
		t.Errorf("%d nodes send %d bytes each, %d nodes %d", few, at, many, after)
	}
}
