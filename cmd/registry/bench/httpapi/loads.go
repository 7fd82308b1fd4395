package main

import (
	"fmt"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	entries = 1000 // in each directory, and the keys that heartbeats cycle over
	sampled = 7    // the entry that is read back after a turn
	ttl     = 30   // seconds, of heartbeats

	// maxTurn keeps a turn well below the TTL, so that heartbeats meet live leases to the last.
	maxTurn = ttl * time.Second / 2

	// busyRate is how many heartbeats a second change a directory while it is listed.
	busyRate = 200
)

// A load is work that wrk does: what it sends, what must be there before, and what a right answer looks like.
type load struct {
	name  string
	title string

	requests    []request
	connections int                 // 0 is wrkConnections
	writes      bool                // the disk matters: etcd on tmpfs takes part too, and the registry without a disk
	durable     bool                // the disk is what is measured: only servers on the same one take part
	seed        []request           // sent before every turn
	background  func(i int) request // if set, sent for entry after entry during a turn, busyRate times a second

	sample request // sent after every turn, and to the registry for the answers of the bare server
	check  func(answer) error

	againstEtcd kit.Target
	againstBare kit.Target
}

// plainPath is an entry without a TTL, leasePath one that heartbeats.
func plainPath(i int) string { return fmt.Sprintf("/v2/keys/plain/fe%03d", i) }
func leasePath(i int) string { return fmt.Sprintf("/v2/keys/frontends/fe%03d", i) }

// address is the value of entry i.
func address(i int) string { return fmt.Sprintf("10.0.%d.%d", i/200, 1+i%200) }

func plainEntry(i int) request { return putRequest(plainPath(i), "value="+address(i)) }
func heartbeat(i int) request {
	return putRequest(leasePath(i), fmt.Sprintf("value=%s&ttl=%d", address(i), ttl))
}

// each makes one request per entry.
func each(of func(i int) request) []request {
	all := make([]request, 0, entries)
	for i := range entries {
		all = append(all, of(i))
	}
	return all
}

func heartbeatLoad() load {
	return load{
		name: "put", title: "heartbeat PUT with ttl, 64 connections, 1,000 keys",
		requests: each(heartbeat), writes: true, seed: each(heartbeat),
		sample: heartbeat(sampled), check: wantHeartbeat,
		againstEtcd: kit.AtLeast(2.5), againstBare: kit.AtLeast(0.80),
	}
}

// durableLoad is shared configuration: no TTL, so it is on disk before the answer.
func durableLoad(name string, connections int, target float64) func() load {
	return func() load {
		return load{
			name: name, title: fmt.Sprintf("durable PUT (no ttl), 1,000 keys, connections: %d", connections),
			requests: each(plainEntry), connections: connections, durable: true, seed: each(plainEntry),
			sample: plainEntry(sampled), check: wantSet, againstEtcd: kit.AtLeast(target),
		}
	}
}

func getLoad() load {
	return load{
		name: "get", title: "GET one key, 64 connections",
		requests: []request{getRequest(plainPath(sampled))}, seed: each(plainEntry),
		sample: getRequest(plainPath(sampled)), check: wantEntry(0),
		againstEtcd: kit.AtLeast(1.1), againstBare: kit.AtLeast(0.80),
	}
}

func getTTLLoad() load {
	return load{
		name: "get-ttl", title: "GET one key that has a ttl, 64 connections",
		requests: []request{getRequest(leasePath(sampled))}, seed: each(heartbeat),
		sample: getRequest(leasePath(sampled)), check: wantEntry(ttl),
		againstEtcd: kit.AtLeast(1.1), againstBare: kit.AtLeast(0.80),
	}
}

func listLoad() load {
	list := getRequest("/v2/keys/plain")
	return load{
		name: "list", title: "GET a directory of 1,000",
		requests: []request{list}, seed: each(plainEntry),
		sample: list, check: wantListing("/plain", 0),
		againstEtcd: kit.AtLeast(8),
	}
}

func listTTLLoad() load {
	list := getRequest("/v2/keys/frontends")
	return load{
		name: "list-ttl", title: "GET a directory of 1,000 with ttls",
		requests: []request{list}, seed: each(heartbeat),
		sample: list, check: wantListing("/frontends", ttl),
		againstEtcd: kit.AtLeast(8),
	}
}

func listBusyLoad() load {
	l := listTTLLoad()
	l.name, l.title = "list-busy", "GET a directory of 1,000 with ttls, 200 heartbeats/s arriving"
	l.background = heartbeat
	return l
}

// wantHeartbeat checks the answer to a heartbeat of a live lease.
func wantHeartbeat(a answer) error {
	if a.Action != "set" || a.PrevNode == nil || a.PrevNode.Value != address(sampled) {
		return fmt.Errorf("not the answer to a heartbeat: %+v", a)
	}
	return checkEntry(*a.Node, "/frontends", sampled, ttl)
}

// wantSet checks the answer to a durable PUT.
func wantSet(a answer) error {
	if a.Action != "set" {
		return fmt.Errorf("not the answer to a set: %+v", a)
	}
	return checkEntry(*a.Node, "/plain", sampled, 0)
}

// wantEntry checks the answer to a GET of the sampled entry, of the directory with ttls if maxTTL is above 0.
func wantEntry(maxTTL int64) func(answer) error {
	dir := "/frontends"
	if maxTTL == 0 {
		dir = "/plain"
	}
	return func(a answer) error {
		if a.Action != "get" {
			return fmt.Errorf("not the answer to a get: %+v", a)
		}
		return checkEntry(*a.Node, dir, sampled, maxTTL)
	}
}

// wantListing checks that all entries are there, each with its value.
func wantListing(dir string, maxTTL int64) func(answer) error {
	return func(a answer) error {
		if a.Action != "get" || !a.Node.Dir || len(a.Node.Nodes) != entries {
			return fmt.Errorf("not a listing of %d entries: %s of %s with %d", entries, a.Action, a.Node.Key, len(a.Node.Nodes))
		}
		seen := map[string]node{}
		for _, n := range a.Node.Nodes {
			seen[n.Key] = n
		}
		for i := range entries {
			n := seen[fmt.Sprintf("%s/fe%03d", dir, i)]
			if err := checkEntry(n, dir, i, maxTTL); err != nil {
				return err
			}
		}
		return nil
	}
}

// checkEntry compares a node with entry i of dir. A ttl must be there exactly if maxTTL is above 0.
func checkEntry(n node, dir string, i int, maxTTL int64) error {
	key := fmt.Sprintf("%s/fe%03d", dir, i)
	if n.Key != key || n.Value != address(i) || n.TTL > maxTTL || (n.TTL > 0) != (maxTTL > 0) {
		return fmt.Errorf("want %s=%s with a ttl up to %d, got %+v", key, address(i), maxTTL, n)
	}
	return nil
}
