package lbtest

import (
	"context"
	"io"
	"net/http"
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
			v.add(visit(context.WithoutCancel(ctx), port)) // The last one is finished.
		}
	}()
	t.Cleanup(func() { cancel(); <-v.done })
	return v
}

// visit is Get with a time-out that no busy machine reaches.
func visit(ctx context.Context, port string) (body, trouble string) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/", http.NoBody)
	if err != nil {
		return "", err.Error()
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err.Error()
	}
	defer func() { _ = resp.Body.Close() }() // It has been read.
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", resp.Status
	}
	return string(text), ""
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
