package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/gossip/gossiptest"
)

// The simulation runs whole nodes, the store and the gossip as they are, in one process on
// a network in memory and under virtual time. Hosts heartbeat, clients write and delete,
// nodes crash, pause and are cut off; after every step one checker looks at everything.
//
//	go test -run TestSimulation ./cmd/registry                      # some seeds
//	go test -run TestSimulation ./cmd/registry -sim.seeds=5000      # many: make sim
//	go test -run TestSimulation ./cmd/registry -sim.seed=17 -v      # one again
//
// A seed decides what happens to the nodes and when. memberlist and the scheduler have a
// chance of their own, so a failure may take some runs of its seed to come back.
var (
	simSeeds = flag.Int("sim.seeds", 200, "number of seeds to simulate")
	simFirst = flag.Uint64("sim.first", 1, "first of the seeds")
	simSeed  = flag.Uint64("sim.seed", 0, "the only seed to simulate; 0 means several")
	simSteps = flag.Int("sim.steps", 0, "faults in a run; 0 leaves that to the seed")
)

func TestSimulation(t *testing.T) {
	first, count := *simFirst, *simSeeds
	if *simSeed != 0 {
		first, count = *simSeed, 1
	}
	for seed := first; seed < first+uint64(count); seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newSim(t, seed).run() })
		})
	}
}

// sim is one run.
type sim struct {
	t     *testing.T
	seed  uint64
	rand  *rand.Rand
	net   *gossiptest.Network
	nodes []*simNode
	hosts []*simHost
	keys  []*simKey
	began time.Time
	trace []string // what happened, printed on failure

	links  map[[2]int]bool // node pairs that are cut, by index, in either direction
	deaf   bool            // packets, but no streams, are cut somewhere
	lossy  bool            // streams may be lost
	shaken time.Time       // when the latest fault began or ended
	quiet  bool            // hosts heartbeat, and that is all
	skewed bool            // a clock has been wrong: which of two values is the later is no longer clear
}

// newSim draws a cluster, its hosts and how bad its network is.
func newSim(t *testing.T, seed uint64) *sim {
	t.Helper()
	s := &sim{
		t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), net: gossiptest.NewNetwork(seed),
		began: time.Now(), links: map[[2]int]bool{},
	}
	n := 3 + s.rand.IntN(3)
	if seed%50 == 0 {
		n = 18 + s.rand.IntN(33) // beyond the size in which each node pushes to all
	}
	faults := s.drawFaults()
	s.lossy = faults.DialLoss > 0
	s.net.SetFaults(faults)
	for i := range n {
		s.nodes = append(s.nodes, newSimNode(s, i, n))
	}
	for i := range 6 + s.rand.IntN(6) {
		s.hosts = append(s.hosts, newSimHost(s, i))
	}
	for i := range 4 {
		s.keys = append(s.keys, &simKey{sim: s, key: fmt.Sprintf("/creds/k%d", i)})
	}
	return s
}

func (s *sim) drawFaults() gossiptest.Faults {
	f := gossiptest.Faults{MinDelay: time.Millisecond, MaxDelay: time.Duration(1+s.rand.IntN(50)) * time.Millisecond}
	if s.rand.IntN(2) == 0 {
		f.Loss, f.Repeat = s.rand.Float64()*0.1, s.rand.Float64()*0.1
		f.DialLoss, f.StreamLoss = s.rand.Float64()*0.1, s.rand.Float64()*0.1
	}
	return f
}

// simTick is the time between two looks of the checker.
const simTick = 250 * time.Millisecond

// run lets the cluster live through faults, heals it, and checks that all ends well.
func (s *sim) run() {
	defer s.stop()
	for _, n := range s.nodes {
		n.start()
	}
	s.pass(8 * time.Second)
	steps := *simSteps
	if steps == 0 {
		steps = 3 + s.rand.IntN(5)
	}
	for range steps {
		s.fault()
		s.pass(time.Duration(1+s.rand.IntN(25)) * time.Second)
		if s.rand.IntN(3) == 0 {
			s.heal()
			s.pass(time.Duration(s.rand.IntN(20)) * time.Second)
		}
	}
	s.heal()
	s.pass(healBound)
	if s.lossy {
		s.pass(healBound) // a lost question is asked again with the next digest only
		s.passUntilEqual(simMaxTTL/3 + time.Second)
	}
	s.checkEqual("some time after the heal", s.isSettled)
	s.quiet = true
	s.pass(20*time.Second + 2*simMaxTTL)
	s.checkEqual("in the end", func(string) bool { return true })
	s.checkEnd()
}

// healBound is how long after the end of all faults the nodes may differ.
const healBound = 10 * time.Second

// pass lets time pass, with a look of the checker at each tick.
func (s *sim) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(simTick)
		for _, h := range s.hosts {
			h.tick()
		}
		for _, k := range s.keys {
			k.tick()
		}
		s.check()
	}
}

// passUntilEqual lets time pass until all nodes list the same, for as long as a host may be
// missed somewhere while streams are lost, see isMissed.
func (s *sim) passUntilEqual(atMost time.Duration) {
	for end := time.Now().Add(atMost); time.Now().Before(end); {
		if _, difference := s.difference(s.isSettled); difference == "" {
			return
		}
		s.pass(simTick)
	}
}

func (s *sim) stop() {
	for _, n := range s.nodes {
		n.crash()
	}
	gossiptest.Linger()
}

// note records what happened, for a failure's trace.
func (s *sim) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf("%8.2fs  ", time.Since(s.began).Seconds())+fmt.Sprintf(format, args...))
}

func (s *sim) failf(format string, args ...any) {
	s.t.Helper()
	for _, line := range s.trace {
		s.t.Log(line)
	}
	s.t.Errorf("again with -sim.seed=%d", s.seed)
	s.t.Fatalf("%8.2fs  "+format, append([]any{time.Since(s.began).Seconds()}, args...)...)
}
