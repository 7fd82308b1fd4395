package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/gossip/gossiptest"
)

// cluster is nodes on a network in memory, in a synctest bubble.
type cluster struct {
	t     *testing.T
	net   *gossiptest.Network
	log   *records
	boots uint64
	nodes []*member
}

// member is a node of a cluster.
type member struct {
	*Node
	state *fake
	stop  context.CancelFunc
	ended chan struct{}
	err   error // of Run, once it has ended
}

// inBubble runs a test with a cluster and stops what it started.
func inBubble(t *testing.T, test func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, net: gossiptest.NewNetwork(1), log: &records{}}
		c.net.SetFaults(gossiptest.Faults{MinDelay: time.Millisecond / 2, MaxDelay: 2 * time.Millisecond})
		defer gossiptest.Linger()
		defer c.stopAll()
		test(c)
	})
}

// addr is the address of a node by number.
func addr(i int) string { return fmt.Sprintf("10.0.%d.%d:7946", i/250, i%250+1) }

// addrs is the addresses of nodes from one number up to another.
func addrs(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, addr(i))
	}
	return all
}

// config is the usual configuration of a node.
func (c *cluster) config(i int, seeds []string) Config {
	c.boots++
	return Config{
		Name: fmt.Sprintf("node%03d", i), Cluster: "test", Seeds: seeds,
		State: newFake(1000*c.boots + uint64(i)), Log: slog.New(c.log),
	}
}

// start starts a node at its usual address.
func (c *cluster) start(i int, seeds []string, changes ...func(*Config)) *member {
	c.t.Helper()
	cfg := c.config(i, seeds)
	for _, change := range changes {
		change(&cfg)
	}
	if cfg.Transport == nil {
		cfg.Transport = c.net.Transport(addr(i))
	}
	n, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(c.t.Context())
	m := &member{Node: n, state: cfg.State.(*fake), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		m.err = n.Run(ctx)
	}()
	c.nodes = append(c.nodes, m)
	return m
}

// startAll starts nodes that all have all as seeds.
func (c *cluster) startAll(count int, changes ...func(*Config)) []*member {
	c.t.Helper()
	var all []*member
	for i := range count {
		all = append(all, c.start(i, addrs(0, count), changes...))
	}
	return all
}

// crash takes a node away without a word.
func (c *cluster) crash(m *member) {
	_ = m.list.Shutdown() // the network first: nothing can be said any more
	m.fail(errCrashed)
	<-m.ended
}

var errCrashed = errors.New("crashed")

func (c *cluster) stopAll() {
	for _, m := range c.nodes {
		m.stop()
	}
	for _, m := range c.nodes {
		<-m.ended
	}
}

// until waits until something is so.
func (c *cluster) until(within time.Duration, what string, so func() bool) time.Duration {
	c.t.Helper()
	begin := time.Now()
	for !so() {
		if time.Since(begin) > within {
			for _, m := range c.nodes {
				c.t.Logf("%s: ready %v, %d records, members %v", m.cfg.Name, m.Ready(), m.state.total(), m.table.count())
			}
			c.t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begin)
}

// isWhole reports whether all nodes see each other alive and are ready.
func isWhole(nodes []*member) bool {
	for _, m := range nodes {
		if m.Ready() != nil || m.table.count()[Alive] != len(nodes) || len(m.state.aliveNow()) != len(nodes) {
			return false
		}
	}
	return true
}

// have reports whether all nodes have a number of records.
func have(nodes []*member, total int) bool {
	for _, m := range nodes {
		if m.state.total() != total {
			return false
		}
	}
	return true
}

// whole waits until the nodes form a cluster.
func (c *cluster) whole(within time.Duration, nodes []*member) {
	c.t.Helper()
	c.until(within, "the cluster is whole", func() bool { return isWhole(nodes) })
}

// records is a slog.Handler that keeps what is logged from warnings on, and all lines of
// information.
type records struct {
	mu    sync.Mutex
	lines []string
}

func (r *records) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (r *records) WithAttrs([]slog.Attr) slog.Handler           { return r }
func (r *records) WithGroup(string) slog.Handler                { return r }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s", rec.Level, rec.Message)
	rec.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s", a)
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, b.String())
	return nil
}

// count returns the number of lines with some words.
func (r *records) count(words string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, line := range r.lines {
		if strings.Contains(line, words) {
			n++
		}
	}
	return n
}
