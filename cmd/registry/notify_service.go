package main

import (
	"fmt"
	"time"

	"rollcall/lbsync"
)

// vitals is one line about the node. It takes the store's lock and gossip's, and blocks while one of them is stuck.
func (n *node) vitals() string {
	stats := n.store.Stats()
	text := fmt.Sprintf("serving %s: %s, %d watching", n.listener.Addr(), plural(stats.Files, "key"), stats.Watchers)
	if n.cluster == nil {
		return text
	}
	if why := n.cluster.gossip.Ready(); why != nil {
		return "not ready: " + why.Error()
	}
	return text + ", " + plural(len(n.cluster.others()), "other node")
}

// lbsyncStart is how long lbsync's start waits for the balancers at most. It is up also without the registry and with a
// balancer that is down: those keep what they have, and what is started after lbsync must not wait for them.
const lbsyncStart = 10 * time.Second

// tell tells systemd how lbsync fares. It is called by the loop that also reloads.
func (s *supervisor) tell(since time.Time) {
	stats := s.Stats()
	status, inSync := lbsyncVitals(stats)
	if inSync || time.Since(since) > lbsyncStart {
		s.notify.setReady()
	}
	s.notify.beat(status)
}

// lbsyncVitals is one line about lbsync, and whether all balancers run what they should.
func lbsyncVitals(stats lbsync.Stats) (line string, inSync bool) {
	n := 0
	for _, t := range stats.Targets {
		if t.InSync {
			n++
		}
	}
	line = fmt.Sprintf("%d of %s in sync", n, plural(len(stats.Targets), "file"))
	if !stats.Registry.Reachable {
		line += ", the registry does not answer"
	}
	return line, n == len(stats.Targets)
}
