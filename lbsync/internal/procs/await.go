package procs

import (
	"context"
	"time"
)

const (
	// awaitTimeout is longer than HAProxy, and nginx with its five times 500 ms, try to bind a port that is taken.
	awaitTimeout = 4 * time.Second
	// awaitInterval is how often the process table is read meanwhile.
	awaitInterval = 20 * time.Millisecond
)

// Await asks again and again until seen holds. It returns false when ctx ends first, or the time in which a balancer
// exchanges its processes is over.
func Await(ctx context.Context, seen func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	tick := time.NewTicker(awaitInterval)
	defer tick.Stop()
	for !seen() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
