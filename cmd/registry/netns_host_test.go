//go:build linux

package main

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// labTTL is the TTL of the hosts.
	labTTL = 4 * time.Second
	// labBeat is how often they say themselves.
	labBeat = time.Second
)

// labHost is a frontend host that puts itself into the registry again and again.
type labHost struct {
	key, value string
	nodes      []*labNode // in the order in which it asks them after a failure
	roundRobin bool       // another node each time, as behind a balancer
	stop       chan struct{}
	stopped    chan struct{}
}

// addHosts starts hosts that stay with the first of some nodes while it answers and go on
// to the next when it does not. They are in the registry when it returns.
func (l *lab) addHosts(group string, count int, nodes ...*labNode) []*labHost {
	l.t.Helper()
	return l.startHosts(group, count, labHost{nodes: nodes})
}

// addRoundRobinHosts starts hosts that change nodes with each heartbeat.
func (l *lab) addRoundRobinHosts(group string, count int, nodes ...*labNode) {
	l.t.Helper()
	l.startHosts(group, count, labHost{nodes: nodes, roundRobin: true})
}

func (l *lab) startHosts(group string, count int, like labHost) []*labHost {
	l.t.Helper()
	var hosts []*labHost
	for i := range count {
		h := like
		h.key, h.value = fmt.Sprintf("/frontends/%s%d", group, i), fmt.Sprintf("10.0.0.%d:8080", i)
		h.nodes = append([]*labNode(nil), like.nodes...)
		h.stop, h.stopped = make(chan struct{}), make(chan struct{})
		l.check.addHost(h.key)
		l.clerks.Go(func() { l.live(&h) })
		hosts = append(hosts, &h)
	}
	l.eventually(10*time.Second, "the hosts "+group+" are in the registry", func() bool {
		for _, h := range hosts {
			if l.check.lastAck(h.key).IsZero() {
				return false
			}
		}
		return true
	})
	return hosts
}

// live is a host's life.
func (l *lab) live(h *labHost) {
	defer close(h.stopped)
	tick := time.NewTicker(labBeat)
	defer tick.Stop()
	for {
		l.beat(h)
		select {
		case <-l.t.Context().Done():
			return
		case <-h.stop:
			return
		case <-tick.C:
		}
	}
}

// beat is one heartbeat, at the first node that takes it.
func (l *lab) beat(h *labHost) {
	form := fmt.Sprintf("value=%s&ttl=%d", h.value, int(labTTL/time.Second))
	for range h.nodes {
		n := h.nodes[0]
		a, err := l.write(n, labTimeout, http.MethodPut, h.key, form)
		if err == nil {
			l.check.acked(h.key, n, a)
		}
		if err != nil || h.roundRobin {
			h.nodes = append(h.nodes[1:], n)
		}
		if err == nil || l.t.Context().Err() != nil {
			return
		}
	}
}

// die ends hosts without a word, and returns when the last of them was last accepted.
func (l *lab) die(hosts []*labHost) (last time.Time) {
	for _, h := range hosts {
		close(h.stop)
	}
	for _, h := range hosts {
		<-h.stopped
		if at := l.check.lastAck(h.key); at.After(last) {
			last = at
		}
	}
	return last
}

// waitGone waits until nodes show none of some dead hosts.
func (l *lab) waitGone(within time.Duration, hosts []*labHost, nodes ...*labNode) {
	l.t.Helper()
	l.eventually(within, fmt.Sprintf("%s and %d more are gone everywhere", hosts[0].key, len(hosts)-1), func() bool {
		for _, n := range nodes {
			listing, err := l.list(n, labPatience)
			if err != nil {
				return false
			}
			for _, h := range hosts {
				if _, there := listing.keys[h.key]; there {
					return false
				}
			}
		}
		return true
	})
}
