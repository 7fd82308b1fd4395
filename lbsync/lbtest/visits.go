package lbtest

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Visits are requests to a balancer, each on a new connection, one after the other.
type Visits struct {
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex // guards what follows
	seen   map[string]int
	failed map[string]int
}

// StartVisits asks 127.0.0.1:port about 200 times a second until Check, or until the test ends.
func StartVisits(t *testing.T, port string) *Visits {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := &Visits{stop: cancel, done: make(chan struct{}), seen: map[string]int{}, failed: map[string]int{}}
	go func() {
		defer close(v.done)
		for tick := time.NewTicker(5 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			v.add(get(context.WithoutCancel(ctx), port, 15*time.Second, "")) // The last one is finished.
		}
	}()
	t.Cleanup(func() { cancel(); <-v.done })
	return v
}

func (v *Visits) add(body, trouble string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if trouble != "" {
		v.failed[trouble]++
		return
	}
	v.seen[body]++
}

// Check ends the visits, and fails the test when one of them has failed.
func (v *Visits) Check(t *testing.T) {
	t.Helper()
	v.stop()
	<-v.done
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.failed) > 0 || len(v.seen) == 0 {
		t.Errorf("requests answered by %v, failed with %v", v.seen, v.failed)
	}
}
