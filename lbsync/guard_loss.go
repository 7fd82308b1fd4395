package lbsync

import (
	"math"
	"time"
)

// lossGauge measures how many hosts of a pool have left by expiry within a window, against how large the pool was in it.
// A window reaches from now back to, and without, the moment one length ago.
type lossGauge struct {
	share  float64
	window time.Duration

	passed []time.Time // the expiries, in order
	size   int         // the pool's size since the latest resize
	// sizes are earlier sizes and when each ended: the sizes fall and the ends rise, since a size is of no interest once
	// one at least as large has ended later.
	sizes []pastSize
}

type pastSize struct {
	size int
	end  time.Time
}

// budget is how many hosts may leave by expiry within a window.
func (l *lossGauge) budget(now time.Time) int {
	if l.share >= 1 {
		return math.MaxInt
	}
	// The sum keeps a share such as 0.29 of 100, which is a little below 29 in binary, from losing one.
	return max(1, int(math.Floor(l.share*float64(l.peak(now))+1e-9)))
}

// peak is the largest size of the pool within the window.
func (l *lossGauge) peak(now time.Time) int {
	start := now.Add(-l.window)
	for len(l.sizes) > 0 && !l.sizes[0].end.After(start) {
		l.sizes = l.sizes[1:]
	}
	if len(l.sizes) == 0 {
		return l.size
	}
	return max(l.size, l.sizes[0].size)
}

// resize sets the pool's size from now on.
func (l *lossGauge) resize(now time.Time, size int) {
	if size == l.size {
		return
	}
	for n := len(l.sizes); n > 0 && l.sizes[n-1].size <= l.size; n-- {
		l.sizes = l.sizes[:n-1]
	}
	l.sizes = append(l.sizes, pastSize{size: l.size, end: now})
	l.size = size
	l.peak(now) // Drops what is too old.
}

// pass counts one expiry.
func (l *lossGauge) pass(now time.Time) { l.passed = append(l.passed, now) }

// spent is how many have passed within the window.
func (l *lossGauge) spent(now time.Time) int {
	start := now.Add(-l.window)
	for len(l.passed) > 0 && !l.passed[0].After(start) {
		l.passed = l.passed[1:]
	}
	return len(l.passed)
}
