package registry

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// trio is some stores that know each other, with a network that does what it is told:
// nothing travels but by send and mail. It lives in a synctest bubble.
type trio struct {
	t      *testing.T
	stores []*Store
	cursor map[[2]int][]byte // what one has pushed to another
	runs   []context.CancelFunc
}

// newTrio returns n stores, with ids in order, whose leases run.
func newTrio(t *testing.T, n int, o Options) *trio {
	t.Helper()
	c := &trio{t: t, cursor: map[[2]int][]byte{}}
	for i := range n {
		o.Author, o.Tag = uint64(i+1), uint64(i+1)
		c.stores = append(c.stores, New(o))
		c.run(i)
	}
	c.alive(c.all()...)
	return c
}

func (c *trio) all() []int {
	var all []int
	for i := range c.stores {
		all = append(all, i)
	}
	return all
}

func (c *trio) run(i int) {
	ctx, cancel := context.WithCancel(c.t.Context())
	c.runs = append(c.runs, cancel)
	go c.stores[i].Run(ctx)
	synctest.Wait()
}

func (c *trio) stop() {
	for _, cancel := range c.runs {
		cancel()
	}
}

// alive makes nodes see each other, and only each other.
func (c *trio) alive(nodes ...int) {
	var ids []uint64
	for _, i := range nodes {
		ids = append(ids, c.stores[i].Author())
	}
	for _, i := range nodes {
		c.stores[i].Alive(ids)
	}
}

// send brings node to all that node from has and to lacks, as a round of repair does.
func (c *trio) send(from, to int) {
	c.t.Helper()
	have := c.stores[to].Digest()
	for range 1000 {
		delta, then, err := c.stores[from].Delta(have, 1<<10)
		if err != nil {
			c.t.Fatal(err)
		}
		if delta == nil {
			c.stores[to].Lacks(c.stores[from].Digest())
			return
		}
		if _, _, err := c.stores[to].Apply(c.stores[from].Author(), delta); err != nil {
			c.t.Fatal(err)
		}
		have = then
	}
	c.t.Fatalf("node %d never has all of node %d", to, from)
}

// mail delivers what is in the outbox of one node for another, and tells whether there
// was anything.
func (c *trio) mail(from, to int) bool {
	c.t.Helper()
	b := c.stores[from].Outbox(c.stores[to].Author(), 1<<10)
	if b == nil {
		return false
	}
	if err := c.stores[to].Mail(c.stores[from].Author(), b); err != nil {
		c.t.Fatal(err)
	}
	return true
}

// exchange lets everything travel between nodes until all is quiet.
func (c *trio) exchange(nodes ...int) {
	c.t.Helper()
	for range 3 {
		for _, from := range nodes {
			for _, to := range nodes {
				if from != to {
					for c.mail(from, to) {
					}
					c.send(from, to)
				}
			}
		}
	}
}

// pass lets time pass, with everything travelling each 100 ms between nodes.
func (c *trio) pass(d time.Duration, nodes ...int) {
	c.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		c.exchange(nodes...)
	}
}

// testTTL is the lease of the entries in these tests.
const testTTL = 10 * time.Second

// beat is a heartbeat at a node.
func (c *trio) beat(i int, key Key) *Event {
	c.t.Helper()
	e, err := c.stores[i].Put(key, PutOptions{Value: "v", TTL: testTTL})
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

// has tells whether a node lists a key.
func (c *trio) has(i int, key Key) bool {
	_, err := c.stores[i].Get(key, GetOptions{})
	return err == nil
}

// wantEverywhere tests whether all the nodes have a key, or none.
func (c *trio) wantEverywhere(want bool, key Key, nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		if c.has(i, key) != want {
			c.t.Errorf("%v: node %d has %s: %v", time.Now().Format("04:05.0"), i, key, !want)
		}
	}
}

// owner returns the author of the record of /f/a as a node knows it, 0 for none.
func (c *trio) owner(i int) uint64 {
	s := c.stores[i]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if at, err := s.tree.find("/f/a"); err == nil && at.node.rec != nil {
		return at.node.rec.author.id
	}
	return 0
}

// inBubbleTrio runs a test of some stores under virtual time.
func inBubbleTrio(t *testing.T, n int, o Options, test func(c *trio)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newTrio(t, n, o)
		defer c.stop()
		test(c)
		for _, s := range c.stores {
			checkReplica(t, s)
		}
	})
}
