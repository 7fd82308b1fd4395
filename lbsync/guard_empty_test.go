package lbsync

import (
	"testing"
	"time"
)

func fallbackPolicy(p *policy) {
	p.onEmpty, p.fallback = OnEmptyFallback, []Server{hostServer(201), hostServer(200)}
}

func emptyPolicy(p *policy) { p.onEmpty = OnEmptyEmpty }

func TestKeep(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3)
	r.lose(causeDeleted, 1, 2, 3)
	r.want("deleted at once", 1, 2, 3)
	r.wantHost(1, VerdictHeld, "deleted, but no other host is left")
	r.pass(time.Hour)
	r.want("an hour later", 1, 2, 3)
	if n := r.g.release(r.now); n != 0 {
		t.Errorf("released %d", n)
	}
	r.want("released", 1, 2, 3)
	r.list(4)
	r.want("another is listed", 4)
	r.wantHost(1, VerdictOut, "released by operator")
}

func TestKeepOneAfterAnother(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3)
	for n := 1; n <= 3; n++ {
		r.lose(causeDeleted, n)
	}
	r.want("the last one", 3)
	r.list(3)
	r.wantHost(3, VerdictIn, "listed")
}

func TestKeepAfterMaxHold(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 50)...)
	r.lose(causeUnknown, span(1, 50)...)
	r.pass(time.Hour)
	r.want("wiped for an hour", span(1, 50)...)
	r.wantHost(1, VerdictHeld, "held for 10m0s, but no other host is left")
	r.list(7)
	r.want("one is back, the others are held anew", span(1, 50)...)
	r.wantTimes(8, r.now.Add(-time.Hour), r.now.Add(10*time.Minute))
	r.pass(10 * time.Minute)
	r.want("they did not come back", 7)
}

func TestKeepOfExpired(t *testing.T) {
	r := newRun(t, nil)
	r.list(1)
	r.lose(causeExpired, 1)
	r.wantHost(1, VerdictHeld, "lease expired, but no other host is left")
	r.list(2)
	r.want("another one", 2)
	r.wantHost(1, VerdictOut, "lease expired")
	r.lose(causeExpired, 2)
	r.wantHost(2, VerdictHeld, "no more may go") // Host 1 has left only now.
}

func TestKeepReleaseOfHeld(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	r.lose(causeUnknown, 1, 2)
	if n := r.g.release(r.now); n != 0 {
		t.Errorf("released %d", n)
	}
	r.want("kept", 1, 2)
	r.list(3)
	r.want("gone with the first other one", 3)
}

func TestFallback(t *testing.T) {
	r := newRun(t, fallbackPolicy)
	r.want("nothing heard yet")
	r.g.contact(r.now, false)
	r.want("the registry does not answer", 200, 201)
	r.g.contact(r.now, true)
	r.want("nor does it tell")
	r.list()
	r.want("nothing is listed", 200, 201)
	r.list(1, 2)
	r.want("two are", 1, 2)
	r.lose(causeDeleted, 1, 2)
	r.want("both deleted", 200, 201)
	r.wantHost(200, VerdictFallback, "serves until something is listed")
	r.wantTimes(200, r.now, time.Time{})
	r.wantHost(1, VerdictOut, "deleted")
	r.pass(time.Hour)
	r.wantTimes(200, r.now.Add(-time.Hour), time.Time{})
	r.list(200)
	r.want("listed itself", 200)
	r.lose(causeDeleted, 200)
	r.want("and deleted", 200, 201)
	r.wantHost(200, VerdictFallback, "")
}

func TestFallbackAfterHold(t *testing.T) {
	r := newRun(t, fallbackPolicy)
	r.list(1, 2)
	r.lose(causeUnknown, 1, 2)
	r.want("held", 1, 2)
	r.pass(10 * time.Minute)
	r.want("over", 200, 201)
	r.list(1)
	r.lose(causeUnknown, 1)
	if n := r.g.release(r.now); n != 1 {
		t.Errorf("released %d", n)
	}
	r.want("released", 200, 201)
}

func TestEmpty(t *testing.T) {
	r := newRun(t, emptyPolicy)
	r.list(1, 2)
	r.lose(causeDeleted, 1, 2)
	r.want("really empty")
	if p := r.decide().preserving; p != "" {
		t.Errorf("preserving: %q", p)
	}
}

func TestDrainedIsNotEmpty(t *testing.T) {
	r := newRun(t, fallbackPolicy)
	r.list(1, 2)
	for n, state := range map[int]State{1: Drain, 2: Down} {
		c := r.view[n]
		c.server.State = state
		r.view[n] = c
	}
	r.observe()
	r.want("drained", 1, 2)
}
