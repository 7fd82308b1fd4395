//go:build linux

package main

import (
	"testing"
	"time"
)

// Both sides of a partition go on: hosts, writes and deletes. When it has healed, all of
// them show the later of what was done, and no deleted key comes back.
func testNetnsPartition(t *testing.T) {
	l, n1, n2, n3 := newTrio(t)
	l.start()
	l.addHosts("left", 3, n1, n2)
	l.addRoundRobinHosts("leftwanders", 2, n1, n2)
	l.addHosts("right", 3, n3)
	l.addRoundRobinHosts("both", 2, n1, n3)
	leftDoomed, rightDoomed := l.addHosts("leftdoomed", 2, n2), l.addHosts("rightdoomed", 2, n3)
	for _, key := range []string{"kept", "leftdeletes", "rightdeletes", "rewritten", "deleted", "dir/a", "dir/sub/b"} {
		l.put(n1, "/conf/"+key, "old")
	}
	l.waitEqual(labHealBound, l.nodes...)

	l.cut([]*labNode{n1, n2}, []*labNode{n3})
	begin := time.Now()
	l.remove(n1, "/conf/leftdeletes")
	l.remove(n3, "/conf/rightdeletes")
	l.put(n2, "/conf/rewritten", "left")
	l.put(n3, "/conf/deleted", "right")
	n3.waitMembers(labDetectBound, "n3")
	n1.waitMembers(labDetectBound, "n1", "n2")
	t.Logf("partition: found after %v", round(time.Since(begin)))
	last := l.die(append(leftDoomed, rightDoomed...))
	l.put(n3, "/conf/rewritten", "right, later")
	l.remove(n1, "/conf/deleted")
	l.put(n1, "/conf/left", "new")
	l.put(n3, "/conf/right", "new")
	l.removeDir(n2, "/conf/dir")
	l.put(n3, "/conf/dir/c", "after the directory was deleted elsewhere")
	l.waitGone(labTTL+5*time.Second, leftDoomed, n1, n2)
	l.waitGone(labTTL+5*time.Second, rightDoomed, n3)
	t.Logf("partition: dead hosts are gone on their sides %v after their last heartbeat", round(time.Since(last)))
	l.watchFor(35*time.Second - time.Since(begin))

	for _, n := range l.nodes {
		n.dropNothing()
	}
	t.Logf("partition: equal %v after it has healed", round(l.waitEqual(labHealBound, l.nodes...)))
	l.check.whole()
	l.waitGone(5*time.Second, append(leftDoomed, rightDoomed...), l.nodes...)
	for _, n := range l.nodes {
		n.waitMembers(labHealBound, "n1", "n2", "n3")
	}
	l.watchFor(labTTL + time.Second)
	l.waitEqual(labHealBound, l.nodes...)
}

// cutTime is how long the smaller cuts take.
const cutTime = 15 * time.Second

// A node that another does not hear, though it hears that one itself, is alive: a third
// node sees both.
func testNetnsCutOneWay(t *testing.T) {
	l, n1, n2, n3 := newTrio(t)
	l.start()
	l.addBusyHosts()
	l.waitEqual(labHealBound, l.nodes...)
	movers := l.addHosts("moves", 2, n1)
	l.waitEqual(labHealBound, l.nodes...)
	n2.drop("ip saddr " + n1.addr)
	begin := time.Now()
	l.die(movers)
	l.addHosts("moves", 2, n2) // the same ones
	l.writeEverywhere()
	t.Logf("n1 to n2 cut: equal nevertheless after %v", round(l.waitEqual(cutTime, l.nodes...)))
	l.watchFor(cutTime - time.Since(begin))
	for _, n := range []*labNode{n1, n2, n3} {
		n.waitMembers(5*time.Second, "n1", "n2", "n3")
	}
	n2.dropNothing()
	t.Logf("n1 to n2 cut: equal %v after the end", round(l.waitEqual(labHealBound, l.nodes...)))
	l.watchFor(labTTL)
}

// A node that hears nobody goes on alone. What it says of the others, which it takes for
// dead, disturbs them not.
func testNetnsCutDeaf(t *testing.T) {
	l, n1, n2, n3 := newTrio(t)
	l.start()
	l.addBusyHosts()
	l.waitEqual(labHealBound, l.nodes...)
	l.check.cut([]*labNode{n1}, []*labNode{n2, n3})
	n1.drop("ip saddr "+n2.addr, "ip saddr "+n3.addr)
	begin := time.Now()
	l.writeEverywhere()
	n1.waitMembers(labDetectBound, "n1")
	t.Logf("deaf: it finds the others dead after %v", round(time.Since(begin)))
	n2.waitMembers(labDetectBound, "n2", "n3")
	t.Logf("deaf: it is found dead after %v", round(time.Since(begin)))
	l.watchFor(cutTime - time.Since(begin))
	n1.dropNothing()
	t.Logf("deaf: equal %v after the end", round(l.waitEqual(labHealBound, l.nodes...)))
	l.check.whole()
	l.watchFor(labTTL)
}

// Without UDP the nodes see each other by TCP.
func testNetnsCutUDP(t *testing.T) {
	l, n1, _, _ := newTrio(t)
	l.start()
	l.addBusyHosts()
	l.waitEqual(labHealBound, l.nodes...)
	for _, n := range l.nodes {
		n.drop("udp dport 7946")
	}
	begin := time.Now()
	l.writeEverywhere()
	t.Logf("UDP cut: equal nevertheless after %v", round(l.waitEqual(cutTime, l.nodes...)))
	l.watchFor(cutTime - time.Since(begin))
	n1.waitMembers(5*time.Second, "n1", "n2", "n3")
	for _, n := range l.nodes {
		n.dropNothing()
	}
	t.Logf("UDP cut: equal %v after the end", round(l.waitEqual(labHealBound, l.nodes...)))
	l.watchFor(labTTL)
}

// A node whose link is down is out of reach for all, and back when it is up again.
func testNetnsCutLink(t *testing.T) {
	l, n1, n2, n3 := newTrio(t)
	l.start()
	l.addHosts("moves", 3, n3, n1, n2)
	l.addHosts("stays", 3, n1, n2)
	l.addRoundRobinHosts("wanders", 2, n1, n2, n3)
	l.put(n3, "/conf/gone", "soon")
	l.put(n3, "/conf/kept", "old")
	l.waitEqual(labHealBound, l.nodes...)
	l.check.cut([]*labNode{n1, n2}, []*labNode{n3})
	l.ip("-n", l.prefix, "link", "set", n3.link, "down")
	begin := time.Now()
	l.remove(n1, "/conf/gone")
	l.put(n2, "/conf/kept", "new")
	n1.waitMembers(labDetectBound, "n1", "n2")
	t.Logf("link down: found after %v", round(time.Since(begin)))
	l.watchFor(cutTime - time.Since(begin))
	l.ip("-n", l.prefix, "link", "set", n3.link, "up")
	t.Logf("link down: equal %v after it is up", round(l.waitEqual(labHealBound, l.nodes...)))
	l.check.whole()
	l.watchFor(labTTL)
}

// addBusyHosts adds hosts at each of three nodes, and some that wander.
func (l *lab) addBusyHosts() {
	l.t.Helper()
	for _, n := range l.nodes {
		l.addHosts("of-"+n.name+"-", 2, n)
		l.put(n, "/conf/gone-"+n.name, "soon")
		l.put(n, "/conf/kept-"+n.name, "old")
	}
	l.addRoundRobinHosts("wanders", 3, l.nodes...)
}

// writeEverywhere writes and deletes at each node what another has written.
func (l *lab) writeEverywhere() {
	l.t.Helper()
	for i, n := range l.nodes {
		other := l.nodes[(i+1)%len(l.nodes)]
		l.remove(n, "/conf/gone-"+other.name)
		l.put(n, "/conf/kept-"+other.name, "new")
	}
}
