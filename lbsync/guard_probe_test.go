package lbsync

import (
	"slices"
	"testing"
	"time"
)

func TestProbesAreNamedOnce(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 20)...)
	r.lose(causeExpired, span(1, 5)...)
	r.wantProbes("expired ones at once", 4, 5)
	r.wantProbes("not again")
	r.answer(true, 4)
	r.wantProbes("an answer is good for a while")
	r.pass(5*time.Second - time.Nanosecond)
	if slices.Contains(r.named, 4) {
		t.Error("asked too early")
	}
	r.now = r.now.Add(time.Nanosecond)
	r.wantProbes("after five seconds", 4)
	r.answer(false, 4)
	r.wantHost(4, VerdictOut, "probe failed")
	r.answer(false, 9)
	r.wantSize("an answer that nobody asked for", 16)
}

func TestProbesOfUnknownWait(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3)
	r.lose(causeUnknown, 1)
	r.wantProbes("at first")
	r.now = r.now.Add(30*time.Second - 1)
	r.wantProbes("just before the window ends")
	r.now = r.now.Add(1)
	r.wantProbes("the window is over", 1)
}

func TestProbesSwitchedOff(t *testing.T) {
	r := newRun(t, func(p *policy) { p.probe = false })
	r.list(span(1, 20)...)
	r.lose(causeExpired, span(1, 5)...)
	r.wantProbes("off")
	r.wantHost(5, VerdictHeld, "stays until it is listed again, 10m0s are over or the operator")
}

func TestProbesHalfRule(t *testing.T) {
	for _, tt := range []struct {
		name   string
		size   int
		listed int
		change func(*policy)
		stay   int
	}{
		{"half of 50", 50, 1, nil, 25},
		{"half of 51 is 26", 51, 1, nil, 26},
		{"most are there", 50, 40, nil, 40},
		{"of two one", 2, 1, nil, 1},
		{"min_servers", 50, 1, func(p *policy) { p.minServers = 40 }, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(t, tt.change)
			r.list(span(1, tt.size)...)
			r.lose(causeUnknown, span(tt.listed+1, tt.size)...)
			for range 3 {
				r.now = r.now.Add(30 * time.Second)
				r.decide()
				r.answer(false, r.named...)
			}
			r.wantSize("all are dead", tt.stay)
		})
	}
}

func TestProbesHalfRuleAfterExpiry(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 50)...)
	r.lose(causeExpired, span(2, 50)...)
	r.decide()
	r.answer(false, r.named...)
	r.wantSize("half of the pool before the expiry", 25)
	r.pass(5*time.Second - 1)
	r.wantProbes("a forbidden one is not asked at once")
	r.now = r.now.Add(1)
	r.decide()
	if len(r.named) != 24 {
		t.Errorf("%d are asked again", len(r.named))
	}
	r.list(span(60, 69)...)
	r.answer(false, r.named...)
	r.wantSize("ten more are there", 25)
}

func TestProbesHalfRuleAfterABreak(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 10)...)
	r.lose(causeUnknown, 1)
	r.list(1)
	r.lose(causeDeleted, span(6, 10)...)
	r.lose(causeUnknown, 1, 2)
	r.now = r.now.Add(30 * time.Second)
	r.wantProbes("held", 1, 2)
	r.answer(false, 1, 2)
	r.want("half of five", 3, 4, 5)
}

func TestProbesHalfRuleWithoutABreak(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 10)...)
	r.lose(causeUnknown, 1, 2, 3, 4)
	r.now = r.now.Add(30 * time.Second)
	r.wantProbes("held", 1, 2, 3, 4)
	r.answer(true, 1)
	r.answer(false, 2, 3, 4)
	r.lose(causeUnknown, 5, 6, 7)
	r.now = r.now.Add(30 * time.Second)
	r.wantProbes("held beside the first", 1, 5, 6, 7)
	r.answer(false, 1, 5, 6, 7)
	r.want("half of ten, though the later ones were held in a pool of seven", 6, 7, 8, 9, 10)
}

func TestProbesWhenNothingIsListed(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 10)...)
	r.lose(causeExpired, span(1, 8)...)
	r.decide()
	asked := r.named
	r.lose(causeUnknown, 9, 10)
	r.answer(false, asked...)
	r.wantSize("wiped", 9)
	r.pass(time.Minute)
	r.wantProbes("nobody is asked")
	r.list(10)
	r.decide()
	if len(r.named) != 8 {
		t.Errorf("asked for %v once one is listed", r.named)
	}
}

func TestProbeOfAnEarlierHold(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 20)...)
	r.lose(causeExpired, span(1, 4)...)
	r.wantProbes("held", 4)
	r.list(4)
	r.lose(causeExpired, 4)
	r.wantProbes("the first probe is under way")
	r.answer(false, 4)
	r.wantProbes("asked for the new hold", 4)
	r.wantHost(4, VerdictHeld, "lease expired")
	r.answer(false, 4)
	r.wantHost(4, VerdictOut, "probe failed")
}
