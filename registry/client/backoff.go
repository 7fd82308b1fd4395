package client

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	minPause = 50 * time.Millisecond
	maxPause = 5 * time.Second
)

// pause is the wait after the n-th failure in a row, counted from 1: doubled each time up to maxPause, with the last
// half of it random, so that a thousand clients do not come back to a restarted node in the same moment.
func pause(n int) time.Duration {
	d := minPause
	for i := 1; i < n && d < maxPause; i++ {
		d *= 2
	}
	return jitter(min(d, maxPause), 0.5)
}

// jitter takes a random part of d away, at most the given share of it.
func jitter(d time.Duration, share float64) time.Duration {
	return d - time.Duration(rand.Float64()*share*float64(d)) //nolint:gosec // Jitter keeps no secret.
}

// sleep waits for d, or less when ctx ends; it returns the error of that end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
