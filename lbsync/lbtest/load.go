package lbtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Load is a steady stream of requests to a balancer on 127.0.0.1: of each kind of client in turn, which are new
// connections, GET on connections that are kept, and POST on connections that are kept.
type Load struct {
	done atomic.Int64
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex // guards failures
	failures []string
}

// StartLoad sends so many requests a second until Stop, or until the test ends.
func StartLoad(t *testing.T, port string, perSecond int) *Load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &Load{stop: stop}
	kinds := []struct {
		method string
		fresh  bool
	}{{http.MethodGet, true}, {http.MethodGet, false}, {http.MethodPost, false}}
	for _, k := range kinds {
		client := &http.Client{
			Timeout:   5 * time.Second,
			Transport: &http.Transport{DisableKeepAlives: k.fresh, MaxIdleConnsPerHost: 8},
		}
		tick := time.NewTicker(time.Second * time.Duration(len(kinds)) / time.Duration(perSecond))
		for range 4 {
			l.wg.Go(func() { l.run(ctx, client, k.method, port, tick.C) })
		}
		t.Cleanup(tick.Stop)
	}
	t.Cleanup(func() { l.Stop() })
	return l
}

func (l *Load) run(ctx context.Context, client *http.Client, method, port string, tick <-chan time.Time) {
	defer client.CloseIdleConnections()
	for {
		select {
		case <-tick:
		case <-ctx.Done():
			return
		}
		// A request that is under way when the load stops is finished.
		if err := send(context.WithoutCancel(ctx), client, method, port); err != nil {
			l.mu.Lock()
			l.failures = append(l.failures, err.Error())
			l.mu.Unlock()
		}
		l.done.Add(1)
	}
}

func send(ctx context.Context, client *http.Client, method, port string) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+port+"/", strings.NewReader("x"))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // It has been read.
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", method, resp.Status)
	}
	return nil
}

// Done counts the requests that have ended, in one way or another.
func (l *Load) Done() int { return int(l.done.Load()) }

// Stop ends the load and returns what went wrong.
func (l *Load) Stop() []string {
	l.stop()
	l.wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failures
}
