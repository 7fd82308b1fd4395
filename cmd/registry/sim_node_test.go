package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"rollcall/registry"
)

// simNode is one node of a simulation, through all its boots.
type simNode struct {
	sim   *sim
	id    int
	addr  string
	seeds []string
	skew  time.Duration // of its wall clock
	store *registry.Store

	cluster *cluster
	cancel  context.CancelFunc
	done    chan struct{}
	up      bool
	paused  bool
	begun   time.Time // of this boot

	watch *registry.Watch
	seen  map[registry.Key]string // what the watch has told, by key
	last  uint64                  // index of its latest event
}

func simAddr(i int) string { return fmt.Sprintf("10.0.%d.%d:7946", i/250, 1+i%250) }

func newSimNode(s *sim, id, of int) *simNode {
	n := &simNode{sim: s, id: id, addr: simAddr(id)}
	for i := range min(of, 5) {
		n.seeds = append(n.seeds, simAddr(i))
	}
	return n
}

func (n *simNode) String() string { return fmt.Sprint("node ", n.id) }

// start boots the node, empty.
func (n *simNode) start() {
	if n.up {
		return
	}
	n.sim.note("%v starts", n)
	n.sim.skewed = n.sim.skewed || n.skew != 0
	n.store = registry.New(registry.Options{
		Tag: 1 + uint64(n.id)%registry.MaxTag, ClockSkew: n.skew, Retention: simRetention, WatchQueue: 1 << 20,
	})
	cfg := nodeConfig{
		name: fmt.Sprint("n", n.id), advertise: []string{"http://" + n.addr},
		gossip: gossipConfig{cluster: "sim", join: n.seeds, transport: n.sim.net.Transport(n.addr)},
	}
	c, err := newCluster(cfg, n.store, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		n.sim.failf("%v does not start: %v", n, err)
	}
	n.cluster = c
	n.up, n.begun = true, time.Now()
	n.seen, n.last = map[registry.Key]string{}, 0
	if n.watch, err = n.store.Watch(registry.Root, registry.WatchOptions{Recursive: true, Stream: true}); err != nil {
		n.sim.failf("%v: watch: %v", n, err)
	}
	ctx, cancel := context.WithCancel(n.sim.t.Context())
	n.cancel, n.done = cancel, make(chan struct{})
	go func() {
		defer close(n.done)
		go n.store.Run(ctx)
		if err := c.run(ctx, func() {}); err != nil {
			n.sim.t.Errorf("%v: gossip: %v", n, err)
		}
	}()
}

// simRetention is how long removals are remembered; longer than any run.
const simRetention = time.Hour

// crash ends the node without a word to the others.
func (n *simNode) crash() {
	if !n.up {
		return
	}
	n.sim.note("%v crashes", n)
	n.up, n.paused = false, false
	for _, o := range n.sim.nodes {
		if o != n {
			n.sim.net.Cut(n.addr, o.addr)
			n.sim.net.Cut(o.addr, n.addr)
		}
	}
	n.cancel()
	<-n.done
	n.watch.Close()
	n.sim.net.Resume(n.addr)
	n.sim.applyCuts()
}

// leave ends the node as a signal does.
func (n *simNode) leave() {
	if !n.up || n.paused {
		return
	}
	n.sim.note("%v leaves", n)
	n.up = false
	n.cancel()
	<-n.done
	n.watch.Close()
}

func (n *simNode) pause() {
	if n.up && !n.paused {
		n.sim.note("%v stops", n)
		n.paused = true
		n.sim.net.Pause(n.addr)
	}
}

func (n *simNode) resume() {
	if n.paused {
		n.sim.note("%v goes on", n)
		n.paused = false
		n.sim.net.Resume(n.addr)
	}
}

// serves tells whether clients get answers from the node.
func (n *simNode) serves() bool { return n.up && !n.paused && n.cluster.gossip.Ready() == nil }

// fault does something to the cluster.
func (s *sim) fault() {
	n := s.nodes[s.rand.IntN(len(s.nodes))]
	s.shaken = time.Now()
	switch s.rand.IntN(10) {
	case 0, 1:
		n.crash()
	case 2:
		n.leave()
	case 3, 4:
		n.pause()
	case 5, 6:
		s.partition()
	case 7:
		o := s.nodes[s.rand.IntN(len(s.nodes))]
		s.note("nothing passes from %v to %v", n, o)
		s.links[[2]int{n.id, o.id}] = true
	case 8:
		for _, o := range s.nodes {
			s.net.CutPackets(n.addr, o.addr)
			s.net.CutPackets(o.addr, n.addr)
		}
		s.note("no packets pass at %v", n)
		s.deaf = true
		return
	case 9:
		if n.up {
			n.crash()
		}
		n.skew = time.Duration(s.rand.IntN(3)-1) * time.Hour
		s.note("the clock of %v is off by %v", n, n.skew)
		n.start()
	}
	s.applyCuts()
}

// partition cuts the nodes into two groups.
func (s *sim) partition() {
	side := make([]bool, len(s.nodes))
	for i := range side {
		side[i] = s.rand.IntN(2) == 0
	}
	s.note("partition %v", side)
	for i := range side {
		for j := range side {
			if side[i] != side[j] {
				s.links[[2]int{i, j}] = true
			}
		}
	}
}

// applyCuts makes the network what links says.
func (s *sim) applyCuts() {
	for _, a := range s.nodes {
		for _, b := range s.nodes {
			if s.links[[2]int{a.id, b.id}] {
				s.net.Cut(a.addr, b.addr)
			} else if a.up && b.up {
				s.net.Heal(a.addr, b.addr)
			}
		}
	}
}

// heal ends all faults and starts what is down.
func (s *sim) heal() {
	s.note("heal")
	s.shaken = time.Now()
	clear(s.links)
	s.deaf = false
	s.net.HealAll()
	for _, n := range s.nodes {
		n.resume()
		n.skew = 0
		n.start()
	}
}
