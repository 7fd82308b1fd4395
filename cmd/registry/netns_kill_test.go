//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	// labDetectBound is how long a cluster of three may need to find a node dead.
	labDetectBound = 15 * time.Second
	// labHealBound is how long nodes that reach each other again may differ. They are
	// equal much sooner as a rule.
	labHealBound = 10 * time.Second
	// labMoveBound is how long a node may stay out that has another address than when it
	// died.
	labMoveBound = 20 * time.Second
)

// A node that is killed takes nobody with it: its hosts go to another node and never
// disappear, those that died at the same time are gone one TTL after it was found dead.
// Started again, with or without a data directory, it shows what the others show.
func testNetnsKill(t *testing.T) {
	l, n1, n2, n3 := newTrio(t)
	n2.args = []string{"--data-dir", filepath.Join(t.TempDir(), "n2")}
	l.start()
	l.addHosts("moves", 4, n1, n2, n3)
	l.addHosts("stays", 2, n2, n3)
	l.addRoundRobinHosts("wanders", 3, n1, n2, n3)
	doomed := l.addHosts("doomed", 3, n1)
	l.put(n1, "/conf/a", "of n1")
	l.put(n2, "/conf/b", "of n2")
	l.put(n1, "/conf/gone", "soon")
	l.waitEqual(labHealBound, l.nodes...)
	l.remove(n3, "/conf/gone")
	l.waitEqual(labHealBound, l.nodes...)

	n1.kill()
	killed := time.Now()
	last := l.die(doomed)
	n2.waitMembers(labDetectBound, "n2", "n3")
	n3.waitMembers(labDetectBound, "n2", "n3")
	detected := time.Now()
	l.put(n3, "/conf/b", "anew")
	l.remove(n2, "/conf/a")
	// What it learns now of the dead hosts it must not keep for longer than the others.
	l.watchFor(labTTL / 2)
	n1.start()
	ready := l.wantWhole(labHealBound, n1)
	l.waitGone(labTTL+5*time.Second-time.Since(detected), doomed, l.nodes...)
	t.Logf("killed: found dead after %v, its dead hosts gone %v after that, %v after their last heartbeat (TTL %v)",
		round(detected.Sub(killed)), round(time.Since(detected)), round(time.Since(last)), labTTL)
	t.Logf("restarted without a data directory: serves after %v, equal after %v more", round(ready), round(l.waitEqual(labHealBound, l.nodes...)))

	// The other one starts again before anybody notices.
	doomed = l.addHosts("doomedtoo", 2, n2)
	l.waitEqual(labHealBound, l.nodes...)
	last = l.die(doomed)
	before, err := l.list(n2, labPatience)
	if err != nil {
		t.Fatal(err)
	}
	n2.kill()
	n2.start()
	ready = l.wantWhole(labHealBound, n2)
	after, err := l.list(n2, labPatience)
	if err != nil {
		t.Fatal(err)
	}
	if after.index <= before.index {
		t.Errorf("index %d after the restart, %d before", after.index, before.index)
	}
	t.Logf("restarted with a data directory: serves after %v, equal after %v more", round(ready), round(l.waitEqual(labHealBound, l.nodes...)))
	l.waitGone(2*labTTL+labDetectBound, doomed, l.nodes...)
	t.Logf("hosts that died with it are gone %v after their last heartbeat", round(time.Since(last)))

	// The third says that it goes.
	l.addHosts("movestoo", 2, n3, n1)
	n3.signal(syscall.SIGTERM)
	begin := time.Now()
	if code := n3.wait(20 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	n1.waitMembers(5*time.Second, "n1", "n2")
	t.Logf("stopped: gone after %v", round(time.Since(begin)))
	l.watchFor(labTTL + time.Second)
	n3.start()
	ready = l.wantWhole(labHealBound, n3)
	t.Logf("started again: serves after %v, equal after %v more", round(ready), round(l.waitEqual(labHealBound, l.nodes...)))
}

func testNetnsPauseShort(t *testing.T) { pauseNode(t, 3*time.Second, 3) }

func testNetnsPauseLong(t *testing.T) { pauseNode(t, 20*time.Second, 1) }

// pauseNode stops a node's process for some time, once or more often. Its hosts go to
// another node when they get no answer. When it goes on it ends no lease before its host
// has had the time to say itself.
func pauseNode(t *testing.T, d time.Duration, times int) {
	t.Helper()
	l, n1, n2, n3 := newTrio(t)
	l.start()
	l.addHosts("moves", 4, n1, n2, n3)
	l.addHosts("stays", 2, n2, n3)
	l.addRoundRobinHosts("wanders", 3, n1, n2, n3)
	l.check.keep(n1, d, l.addHosts("waits", 2, n1))
	doomed := l.addHosts("doomed", 2, n1)
	l.put(n1, "/conf/a", "of n1")
	l.put(n1, "/conf/gone", "soon")
	l.waitEqual(labHealBound, l.nodes...)

	var last time.Time
	for i := range times {
		l.check.silence(n1)
		n1.signal(syscall.SIGSTOP)
		stopped := time.Now()
		if i == 0 {
			last = l.die(doomed)
			l.put(n3, "/conf/a", "of n3")
			l.remove(n3, "/conf/gone")
		}
		l.put(n2, "/conf/b", fmt.Sprint("of n2, ", i))
		l.watchFor(d - time.Since(stopped))
		n1.signal(syscall.SIGCONT)
		t.Logf("paused for %v: equal %v after it goes on", d, round(l.waitEqual(labHealBound, l.nodes...)))
		l.check.whole()
		l.watchFor(time.Second)
	}
	n1.waitMembers(labHealBound, "n1", "n2", "n3")
	n2.waitMembers(labHealBound, "n1", "n2", "n3")
	l.waitGone(2*labTTL+labDetectBound, doomed, l.nodes...)
	t.Logf("hosts that died meanwhile are gone everywhere %v after their last heartbeat", round(time.Since(last)))
	l.watchFor(labTTL + time.Second)
}

// round makes a time short to print.
func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
