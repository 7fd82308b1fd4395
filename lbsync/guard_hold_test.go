package lbsync

import (
	"strings"
	"testing"
	"time"
)

func TestMaxHold(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3)
	begun := r.now
	r.lose(causeUnknown, 1)
	r.wantTimes(1, begun, begun.Add(10*time.Minute))
	r.pass(time.Minute)
	r.lose(causeUnknown, 2)
	r.pass(9*time.Minute - time.Nanosecond)
	r.want("before the end", 1, 2, 3)
	r.pass(time.Nanosecond)
	r.want("the first hold has ended", 2, 3)
	r.wantHost(1, VerdictOut, "held for 10m0s")
	r.wantTimes(1, r.now, time.Time{})
	r.list(2)
	r.pass(time.Hour)
	r.want("listed again", 2, 3)
	r.wantHost(2, VerdictIn, "listed")
	if got := r.decide().preserving; got != "" {
		t.Errorf("preserving: %q", got)
	}
}

func TestMaxHoldForEver(t *testing.T) {
	r := newRun(t, func(p *policy) { p.maxHold = 0; p.probe = false })
	r.list(1, 2)
	r.lose(causeUnknown, 1)
	if next := r.decide().next; !next.IsZero() {
		t.Errorf("next is %v, want never", next)
	}
	r.pass(1000 * time.Hour)
	r.want("for ever", 1, 2)
}

func TestMaxHoldRespectsMinServers(t *testing.T) {
	r := newRun(t, func(p *policy) { p.minServers = 3 })
	r.list(1, 2, 3, 4)
	r.lose(causeUnknown, 1, 2, 3)
	r.pass(10 * time.Minute)
	r.want("min_servers stay", 2, 3, 4)
	r.wantHost(2, VerdictHeld, "min_servers is 3")
	r.wantTimes(2, r.now.Add(-10*time.Minute), time.Time{})
	r.list(5, 6)
	r.want("others have come", 4, 5, 6)
}

func TestRelease(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 5)...)
	r.lose(causeUnknown, 1, 2)
	r.lose(causeRejected, 3)
	if n := r.g.release(r.now); n != 3 {
		t.Errorf("released %d", n)
	}
	r.want("released", 4, 5)
	r.wantHost(1, VerdictOut, "released by operator")
	if n := r.g.release(r.now); n != 0 {
		t.Errorf("released %d again", n)
	}
}

func TestBadGrace(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 5)...)
	begun := r.now
	r.lose(causeRejected, 1, 2, 3)
	r.want("the last good servers stay", span(1, 5)...)
	r.wantHost(1, VerdictHeld, "its value is not usable any more; the last good one serves for 1m0s")
	r.wantTimes(1, begun, begun.Add(time.Minute))
	r.pass(30 * time.Second)
	r.cause["k3"] = causeDeleted
	r.observe()
	r.want("a bad one is deleted", 1, 2, 4, 5)
	r.pass(30 * time.Second)
	r.want("then as expired", 2, 4, 5)
	r.wantHost(1, VerdictOut, "its value is not usable any more for 1m0s")
	r.wantHost(2, VerdictHeld, "its value is not usable any more for 1m0s, and no more may go")
	r.list(2)
	r.wantHost(2, VerdictIn, "listed")
}

func TestBadGraceThenExpired(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	r.lose(causeRejected, 1)
	r.pass(time.Second)
	r.cause["k1"] = causeExpired
	r.observe()
	r.want("expired within the grace", 2)
}

func TestRemember(t *testing.T) {
	r := newRun(t, nil)
	r.g.remember(r.now, []candidate{{"", hostServer(3)}, {"", hostServer(1)}, {"", hostServer(2)}})
	r.wantHost(1, VerdictHeld, "earlier run; stays until the registry has answered")
	r.pass(time.Hour)
	r.want("nothing was heard", 1, 2, 3)
	r.list(2, 4)
	r.want("held", 1, 2, 3, 4)
	r.wantHost(1, VerdictHeld, "earlier run and not listed; stays until it is listed again")
	r.wantHost(2, VerdictIn, "listed")
	r.wantProbes("not yet")
	r.pass(30 * time.Second)
	r.wantProbes("asked meanwhile") // pass has asked for them when they were due.
	r.answer(false, 1)
	r.want("dead", 2, 3, 4)
	r.pass(10 * time.Minute)
	r.want("hold over", 2, 4)
}

func TestUnreachable(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3, 4)
	r.lose(causeUnknown, 1)
	r.lose(causeRejected, 2)
	r.pass(31 * time.Second) // One second longer than until the probe of 1.
	r.g.contact(r.now, false)
	if p := r.decide().preserving; !strings.Contains(p, "not reachable") {
		t.Errorf("preserving: %q", p)
	}
	r.wantTimes(1, r.now.Add(-31*time.Second), time.Time{})
	if next := r.decide().next; !next.IsZero() {
		t.Errorf("next is %v, but nothing can change", next)
	}
	r.pass(10 * time.Second)
	r.answer(false, 1)
	r.pass(24*time.Hour - 10*time.Second)
	r.want("nothing is removed", 1, 2, 3, 4)
	r.wantProbes("nobody is asked")
	r.g.contact(r.now, true)
	r.wantTimes(1, r.now.Add(-24*time.Hour-31*time.Second), r.now.Add(10*time.Minute-31*time.Second))
	r.now = r.now.Add(5 * time.Second)
	r.wantProbes("asked again", 1)
	r.pass(24 * time.Second)
	r.want("the grace had 29 s left", 1, 3, 4)
	r.answer(false, 1)
	r.want("dead", 3, 4)
}

func TestHistoryIsBounded(t *testing.T) {
	r := newRun(t, func(p *policy) { p.damping = false })
	r.list(span(1, 1500)...)
	r.lose(causeDeleted, span(1, 1200)...)
	if n := len(r.decide().hosts); n != 300+maxOuts {
		t.Errorf("%d hosts are known", n)
	}
	if r.g.keyOf(hostAddr(200)) != "" || r.g.keyOf(hostAddr(201)) != "k201" {
		t.Error("not the oldest were forgotten")
	}
	r.pass(outAge - time.Nanosecond)
	r.wantHost(1200, VerdictOut, "deleted")
	r.pass(time.Nanosecond)
	if n := len(r.decide().hosts); n != 300 {
		t.Errorf("%d hosts are known after ten minutes", n)
	}
}
