package lbsync

import (
	"math/rand/v2"
	"time"
)

// Pace bounds how often a balancer is reloaded. A reload that has to wait is put off and never dropped. A zero field means
// its default; a negative one means none.
type Pace struct {
	// MinGap is the shortest time from the end of one reload to the beginning of the next. Default 1 s.
	MinGap time.Duration
	// PerMinute is how many reloads there may be within any minute. Default 60.
	PerMinute int
	// Jitter is the longest random delay before a reload, so that a fleet does not reload at the same moment. Default
	// 100 ms.
	Jitter time.Duration
}

func (p Pace) withDefaults() Pace {
	if p.MinGap == 0 {
		p.MinGap = time.Second
	}
	if p.PerMinute == 0 {
		p.PerMinute = 60
	}
	if p.Jitter == 0 {
		p.Jitter = 100 * time.Millisecond
	}
	return p
}

// next returns when a reload may begin that is wanted now, after the given ones, which are the ends of earlier reloads in
// their order.
func (p Pace) next(now time.Time, earlier []time.Time) time.Time {
	at := now
	if p.Jitter > 0 {
		at = at.Add(rand.N(p.Jitter))
	}
	if n := len(earlier); n > 0 && p.MinGap > 0 {
		at = later(at, earlier[n-1].Add(p.MinGap))
	}
	if n := len(earlier); p.PerMinute > 0 && n >= p.PerMinute {
		at = later(at, earlier[n-p.PerMinute].Add(time.Minute))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
