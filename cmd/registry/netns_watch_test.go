//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// A watcher that goes to another node with an index of the first is told at once to list
// again, also if the names of the nodes gave them the same tag.
func testNetnsWatchMoves(t *testing.T) {
	l := newLab(t)
	number, tag := 0, tagOf("n0")
	for i := 0; number < 3; i++ {
		if name := fmt.Sprintf("n%d", i); tagOf(name) == tag {
			number++
			l.addNode(number, name)
		}
	}
	l.start()
	l.addHosts("host", 2, l.nodes...)
	l.put(l.nodes[0], "/conf/a", "1")
	l.waitEqual(labHealBound, l.nodes...)
	for _, from := range l.nodes {
		listing, err := l.list(from, labPatience)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range l.nodes {
			if from == to {
				l.wantWait(to, fmt.Sprintf("/v2/keys/conf?wait=true&recursive=true&waitIndex=%d", listing.index+1))
				continue
			}
			for _, ahead := range []uint64{0, 1, 5} {
				for _, stream := range []string{"", "&stream=true"} {
					l.wantMoved(to, fmt.Sprintf("/v2/keys/conf?wait=true&recursive=true&waitIndex=%d%s", listing.index+ahead, stream))
				}
			}
		}
	}
}

// wantMoved wants a watch to be refused.
func (l *lab) wantMoved(n *labNode, path string) {
	l.t.Helper()
	a, err := l.ask(n, labPatience, http.MethodGet, path, "")
	var refusal labEvent
	if err == nil {
		err = json.Unmarshal(a.body, &refusal)
	}
	if err != nil || a.status != http.StatusBadRequest || refusal.Code != 401 {
		l.t.Fatalf("%s with an index of another: %s: status %d, %s, %v", n.name, path, a.status, a.body, err)
	}
}

// wantWait wants a watch to wait.
func (l *lab) wantWait(n *labNode, path string) {
	l.t.Helper()
	if a, err := l.ask(n, labTimeout, http.MethodGet, path, ""); err == nil {
		l.t.Errorf("%s with its own index: %s: status %d: %s", n.name, path, a.status, a.body)
	}
}
