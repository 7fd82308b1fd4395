//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// strangerTime is how long strangers are watched trying.
	strangerTime = 20 * time.Second
	// strangerLines is how many warnings about one of them are enough for that time.
	strangerLines = 4
)

// Nodes with another key, without one, or of another cluster stay out, and both sides say
// so without filling their logs.
func testNetnsStrangers(t *testing.T) {
	l := newLab(t)
	file := func(fill byte) string {
		name := filepath.Join(t.TempDir(), "keys")
		l.writeKeys(name, labSecret(fill))
		return name
	}
	keys := file(1)
	n1, n2 := l.addNode(1, "n1"), l.addNode(2, "n2")
	n1.args, n2.args = []string{"--gossip-key-file", keys}, []string{"--gossip-key-file", keys}
	l.start()
	l.addHosts("host", 2, n1, n2)
	l.put(n1, "/conf/secret", "xyzzy")

	seeds := l.seeds()
	strangers := map[string]*labNode{
		"another key":     l.addNode(3, "n3"),
		"no key":          l.addNode(4, "n4"),
		"another cluster": l.addNode(5, "n5"),
	}
	strangers["another key"].args = []string{"--join", seeds, "--gossip-key-file", file(3)}
	strangers["no key"].args = []string{"--join", seeds}
	strangers["another cluster"].args = []string{"--join", seeds, "--gossip-key-file", keys, "--cluster", "other"}
	for _, n := range strangers {
		n.start()
	}
	begin := time.Now()
	for _, n := range strangers { // each goes on alone after some time
		n.waitReady()
		if _, err := l.write(n, labPatience, http.MethodPut, "/conf/strange", "value="+n.name); err != nil {
			t.Error(err)
		}
	}
	l.watchFor(strangerTime - time.Since(begin))

	for why, n := range strangers {
		if listing, err := l.list(n, labPatience); err != nil || strings.Contains(string(listing.body), "xyzzy") {
			t.Errorf("%s: shows %s, %v", why, listing.body, err)
		}
		n.waitMembers(5*time.Second, n.name)
		own := n.log.with(`"level":"WARN"`)
		about := slices.Concat(n1.log.with(n.addr), n2.log.with(n.addr))
		t.Logf("%s: it warned %d times in %v, the two of the cluster %d times", why, len(own), strangerTime, len(about))
		if len(own) == 0 || len(own) > 2*strangerLines {
			t.Errorf("%s: it warned:\n%s", why, strings.Join(own, "\n"))
		}
		if len(about) == 0 || len(about) > 2*strangerLines {
			t.Errorf("%s: the cluster's nodes said about it:\n%s", why, strings.Join(about, "\n"))
		}
	}
	for _, n := range []*labNode{n1, n2} {
		n.waitMembers(5*time.Second, "n1", "n2")
		if lines := n.log.with(`"level":"WARN"`); len(lines) > len(strangers)*strangerLines {
			t.Errorf("%s warned %d times:\n%s", n.name, len(lines), strings.Join(lines, "\n"))
		}
	}
	l.waitEqual(labHealBound, n1, n2)
}

// A node with a name that another has is told so, with the other's address, and ends; the
// other goes on as if nothing had been.
func testNetnsNameTaken(t *testing.T) {
	l := newLab(t)
	n1, n2 := l.addNode(1, "n1"), l.addNode(2, "n2")
	l.start()
	l.addHosts("host", 2, n1)
	l.put(n1, "/conf/a", "1")
	l.waitEqual(labHealBound, n1, n2)
	twin := l.addNode(3, "n1")
	begin := time.Now()
	twin.launch()
	if code := twin.wait(40 * time.Second); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	t.Logf("name taken: refused after %v", round(time.Since(begin)))
	lines := twin.log.with("Error:")
	if len(lines) != 1 || !strings.Contains(lines[0], "another node has this name") || !strings.Contains(lines[0], n1.addr+":7946") {
		t.Errorf("it ended with %q", lines)
	}
	l.watchFor(labTTL + time.Second) // what it left behind would show by now
	n1.waitMembers(5*time.Second, "n1", "n2")
	n2.waitMembers(5*time.Second, "n1", "n2")
	a, err := l.ask(n2, labPatience, http.MethodGet, "/v2/members", "")
	if err != nil || !strings.Contains(string(a.body), n1.addr+":7946") {
		t.Errorf("members are %s, %v", a.body, err)
	}
	l.put(n1, "/conf/b", "2")
	l.waitEqual(labHealBound, n1, n2)
}

// A node that died may come back with another address, as in a container.
func testNetnsNameMoves(t *testing.T) {
	l, n1, n2, n3 := newTrio(t)
	l.start()
	l.addHosts("moves", 2, n3, n1)
	l.put(n3, "/conf/a", "1")
	l.waitEqual(labHealBound, l.nodes...)
	n3.kill()
	moved := l.addNode(4, "n3")
	begin := time.Now()
	moved.start()
	l.wantWhole(labMoveBound, moved)
	t.Logf("name moves: the new address serves after %v", round(time.Since(begin)))
	l.observe(moved)
	for _, n := range []*labNode{n1, n2, moved} {
		n.waitMembers(labDetectBound, "n1", "n2", "n3")
	}
	l.put(n1, "/conf/b", "2")
	l.put(moved, "/conf/a", "3")
	l.waitEqual(labHealBound, n1, n2, moved)
	l.eventually(labDetectBound, "n1 knows the new address", func() bool {
		a, err := l.ask(n1, labPatience, http.MethodGet, "/v2/members", "")
		return err == nil && strings.Contains(string(a.body), moved.addr+":7946")
	})
	t.Logf("name moves: known after %v", round(time.Since(begin)))
	l.watchFor(labTTL)
	l.waitEqual(labHealBound, n1, n2, moved)
}

// A name of a seed may have many addresses, not all of them of nodes that run, as that of
// a headless service has.
func testNetnsJoinByName(t *testing.T) {
	l, n1, n2, n3 := newTrio(t)
	var hosts strings.Builder
	for i := range 5 { // two more than there are nodes
		fmt.Fprintf(&hosts, "%s.%d\tnodes.rollcall.example\n", l.subnet, i+1)
	}
	for _, n := range l.nodes {
		n.setHosts(hosts.String())
		n.args = []string{"--join", "nodes.rollcall.example:7946"}
	}
	begin := time.Now()
	l.start()
	t.Logf("join by name: a cluster after %v", round(time.Since(begin)))
	l.put(n1, "/conf/a", "1")
	l.put(n2, "/conf/b", "2")
	l.put(n3, "/conf/c", "3")
	t.Logf("join by name: equal after %v", round(l.waitEqual(labHealBound, l.nodes...)))
}

// namespaceEtc holds a directory for a namespace, which ip netns exec puts over /etc.
const namespaceEtc = "/etc/netns"

// setHosts gives the namespace of a node an /etc/hosts of its own.
func (n *labNode) setHosts(content string) {
	n.lab.t.Helper()
	_, err := os.Stat(namespaceEtc)
	made := os.IsNotExist(err)
	dir := filepath.Join(namespaceEtc, n.ns)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		n.lab.t.Fatal(err)
	}
	n.lab.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			n.lab.t.Error(err)
		}
		if made {
			_ = os.Remove(namespaceEtc) // unless others are in it
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(content), 0o644); err != nil {
		n.lab.t.Fatal(err)
	}
}
