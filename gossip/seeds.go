package gossip

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// firstRejoin is the pause after the first attempt to join; it doubles up to the
	// rejoin interval while no peer is known.
	firstRejoin = 200 * time.Millisecond
	// lostAfter is how long nobody must be reached before that is logged: nodes that are
	// started together are not there at once.
	lostAfter = 5 * time.Second
	// unknownRejoin is the longest pause while there are peers and none has answered in full.
	unknownRejoin = time.Second
	// joinsAtOnce is how many addresses are tried at the same time: those that do not
	// answer take some seconds each.
	joinsAtOnce = 8
	// joinsEnough is how many successes end an attempt. Each one tells all members.
	joinsEnough = 3
	// resolveTimeout bounds the look-up of all seeds.
	resolveTimeout = 5 * time.Second
)

// seeker joins the seeds and former peers that are no members, now and then, for ever:
// memberlist forgets nodes that were gone for half a minute and never looks for them.
type seeker struct {
	node  *Node
	known *knownPeers
	now   chan struct{} // one slot: try at once, members too

	// Only the goroutine of run has what follows.
	silent map[string]bool // seeds that could not be resolved
	since  time.Time       // when attempts began to reach nobody; zero if the last one did
	lost   bool            // that has been logged
}

func newSeeker(n *Node, known *knownPeers) *seeker {
	return &seeker{node: n, known: known, now: make(chan struct{}, 1), silent: make(map[string]bool)}
}

// run joins until the context ends.
func (s *seeker) run(ctx context.Context) {
	pause := firstRejoin
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		which := strangers
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if s.node.Ready() != nil {
				which = everybody
			}
		case <-s.now:
			which = everybody
		}
		s.attempt(ctx, which)
		s.known.save()
		switch {
		case len(s.node.peers.list()) == 0:
		case s.node.Ready() != nil:
			// A node that came back at another address knows the others before they know it.
			pause = unknownRejoin
		default:
			pause = s.node.cfg.RejoinInterval
		}
		pause = min(pause, s.node.cfg.RejoinInterval)
		timer.Reset(jitter(pause))
		pause *= 2
	}
}

// who says whom to join.
type who uint8

const (
	strangers who = iota // those that are no live members
	everybody
)

// attempt tries to join addresses until a few were reached.
func (s *seeker) attempt(ctx context.Context, which who) {
	targets := s.targets(ctx, which)
	if len(targets) == 0 {
		return
	}
	var reached atomic.Int32
	var group errgroup.Group
	group.SetLimit(joinsAtOnce)
	for _, addr := range targets {
		if ctx.Err() != nil || reached.Load() >= joinsEnough {
			break
		}
		group.Go(func() error {
			if s.join(ctx, addr) {
				reached.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait()
	if ctx.Err() == nil {
		s.tell(int(reached.Load()), len(targets))
	}
}

// tell logs when addresses cannot be reached any more, or again.
func (s *seeker) tell(reached, tried int) {
	switch now := time.Now(); {
	case reached > 0:
		if s.lost {
			s.node.log.Info("joined", "reached", reached, "tried", tried)
		}
		s.lost, s.since = false, time.Time{}
	case s.since.IsZero():
		s.since = now
	case !s.lost && now.Sub(s.since) >= lostAfter:
		s.lost = true
		s.node.log.Warn("no seed or former peer outside the cluster can be joined", "tried", tried)
	}
}

// join joins one address.
func (s *seeker) join(ctx context.Context, addr string) bool {
	if ctx.Err() != nil {
		return false
	}
	_, err := s.node.list.Join([]string{addr})
	if err == nil {
		return true
	}
	s.node.counters.joinFailures.Add(1)
	if reason, ok := joinRefusal(err.Error()); ok {
		host, _, _ := net.SplitHostPort(addr)
		s.node.lines.warn(host, reason)
	}
	s.node.log.Debug("cannot join", "addr", addr, "error", err)
	return false
}

// joinRefusal reports whether a join failed because of another key or cluster name.
// memberlist gives no error values to tell.
func joinRefusal(text string) (reason string, ok bool) {
	if reason, ok := rejection(text); ok {
		return reason, true
	}
	if strings.Contains(text, "EOF") || strings.Contains(text, "connection reset") {
		return "it hangs up, as with another cluster name", true
	}
	return "", false
}

// targets returns the addresses to try, in random order.
func (s *seeker) targets(ctx context.Context, which who) []string {
	skip := map[string]bool{s.node.Addr(): true}
	if which == strangers {
		for _, p := range s.node.peers.list() {
			skip[p.node.Address()] = true
		}
	}
	var targets []string
	for _, addr := range append(s.resolve(ctx), s.known.pick(skip)...) {
		if !skip[addr] {
			skip[addr] = true
			targets = append(targets, addr)
		}
	}
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	return targets
}

// resolve returns the addresses of all seeds.
func (s *seeker) resolve(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	var all []string
	for _, seed := range s.node.cfg.Seeds {
		host, port, err := splitAddr(seed)
		if err != nil {
			continue // validated
		}
		if net.ParseIP(host) != nil {
			all = append(all, joinAddr(net.ParseIP(host).String(), port))
			continue
		}
		ips, err := s.node.cfg.Resolve(ctx, host)
		if silent := err != nil; silent != s.silent[seed] && ctx.Err() == nil {
			s.silent[seed] = silent
			if silent {
				s.node.log.Warn("seed cannot be resolved", "seed", seed, "error", err)
			}
		}
		for _, ip := range ips {
			all = append(all, joinAddr(ip, port))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
