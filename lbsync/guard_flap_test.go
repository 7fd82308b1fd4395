package lbsync

import (
	"testing"
	"time"
)

// shortStay is too short for a removal to be on purpose.
const shortStay = 400 * time.Millisecond

// flap lists and deletes host 1 so many times, each state for a moment.
func (r *guardRun) flap(times int, moment time.Duration) {
	r.t.Helper()
	for range times {
		r.list(1)
		r.pass(moment)
		r.lose(causeDeleted, 1)
		r.pass(moment)
	}
}

func TestDampingDoubles(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	r.flap(3, shortStay)
	r.list(1)
	r.want("three departures are free", 1, 2)
	for _, seconds := range []int{2, 4, 8, 16, 32, 60, 60} {
		wait := time.Duration(seconds) * time.Second
		r.lose(causeDeleted, 1)
		r.want("removals pass", 2)
		r.pass(time.Second)
		r.list(1)
		r.wantHost(1, VerdictDamped, "came and went more than 3 times within a minute")
		r.wantTimes(1, r.now, r.now.Add(wait))
		r.pass(wait - 1)
		r.want("still waiting", 2)
		r.pass(1)
		r.want("back", 1, 2)
	}
}

func TestDampingBoundsAFastFlap(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	departures, was := 0, false
	for range 5 * 300 { // Five times a second for five minutes.
		for _, step := range []func(){func() { r.list(1) }, func() { r.lose(causeDeleted, 1) }} {
			step()
			is := len(r.decide().servers) == 2
			if was && !is {
				departures++
			}
			was = is
			r.pass(100 * time.Millisecond)
		}
	}
	if departures != 4 {
		t.Errorf("%d departures", departures)
	}
	r.list(1)
	r.pass(2 * time.Second)
	r.want("it has come to rest", 1, 2)
}

func TestDampingIsForgotten(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	r.flap(4, shortStay)
	r.pass(time.Minute - shortStay - 1)
	r.list(1)
	r.wantHost(1, VerdictDamped, "")
	r.lose(causeDeleted, 1)
	r.pass(time.Minute)
	r.list(1)
	r.want("a minute of calm", 1, 2)
}

// A deploy takes hosts out and puts them back, as often as it likes.
func TestRemovalsOnPurposeAreNotDamped(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	r.flap(20, flapStay)
	r.list(1)
	r.want("never damped", 1, 2)
}

// A lease that runs out again and again is, however long the host was in.
func TestExpiriesAreDamped(t *testing.T) {
	for pause, damped := range map[time.Duration]bool{19 * time.Second: true, 21 * time.Second: false} {
		r := newRun(t, func(p *policy) { p.maxLoss = 1 })
		r.list(1, 2)
		for range 4 {
			r.list(1)
			r.pass(pause - time.Second)
			r.lose(causeExpired, 1)
			r.pass(time.Second)
		}
		r.list(1)
		if got := r.decide().servers; (len(got) == 1) != damped {
			t.Errorf("each %v: %d servers", pause, len(got))
		}
	}
}

func TestDampingLetsInWhenNothingElseIsThere(t *testing.T) {
	for name, change := range map[string]func(*policy){"keep": nil, "fallback": fallbackPolicy, "empty": emptyPolicy} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, change)
			r.list(1, 2)
			r.flap(4, shortStay)
			r.list(1)
			r.want("damped", 2)
			r.lose(causeDeleted, 2)
			r.want("let in", 1)
			r.wantHost(1, VerdictIn, "listed")
		})
	}
}

func TestDampingOff(t *testing.T) {
	r := newRun(t, func(p *policy) { p.damping = false })
	r.list(1, 2)
	r.flap(10, shortStay)
	r.list(1)
	r.want("not damped", 1, 2)
}

func TestValueChangesNeverDamp(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	for w := 1; w <= 100; w++ {
		c := r.view[1]
		c.server.Weight = w
		r.view[1] = c
		r.observe()
		if got := r.decide().servers[0].Weight; got != w {
			t.Fatalf("weight %d, want %d", got, w)
		}
		r.pass(10 * time.Millisecond)
	}
}

func TestHeldHostThatComesBackIsNoDeparture(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3)
	for range 20 {
		r.lose(causeUnknown, 1)
		r.pass(time.Second)
		r.list(1)
	}
	r.want("held and back", 1, 2, 3)
	r.wantHost(1, VerdictIn, "listed")
}

func TestADampedHostThatGoesIsOut(t *testing.T) {
	for c, reason := range map[cause]string{
		causeUnknown: "not listed any more", causeDeleted: "deleted", causeExpired: "lease expired", causeRejected: "its value is not usable",
	} {
		r := newRun(t, nil)
		r.list(1, 2)
		r.flap(4, shortStay)
		r.list(1)
		r.lose(c, 1)
		r.want("it was not in", 2)
		r.wantHost(1, VerdictOut, reason)
	}
}
