package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// leases is a registry of one key, with a real lease in virtual time. It is a node that can be asked under any name.
type leases struct {
	t       *testing.T
	mu      sync.Mutex
	value   string
	expires time.Time
	absent  []time.Duration // For how long the entry had been gone, each time that it came back.
	puts    []time.Time
}

func (l *leases) serve(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch req.Method {
	case http.MethodPut:
		return l.put(req)
	case http.MethodDelete:
		switch {
		case !time.Now().Before(l.expires):
			return refuses(http.StatusNotFound, CodeKeyNotFound)(req)
		case req.URL.Query().Get("prevValue") != l.value:
			return refuses(http.StatusPreconditionFailed, CodeTestFailed)(req)
		}
		l.expires = time.Time{}
		return sets(1)(req)
	}
	return nil, errors.New("unexpected method")
}

func (l *leases) put(req *http.Request) (*http.Response, error) {
	if err := req.ParseForm(); err != nil {
		return nil, err
	}
	seconds, err := strconv.Atoi(req.PostForm.Get("ttl"))
	if err != nil || req.PostForm.Get("value") == "" || len(req.PostForm) != 2 {
		l.t.Errorf("heartbeat %v is not a plain set with a TTL", req.PostForm)
	}
	now := time.Now()
	if len(l.puts) > 0 && !now.Before(l.expires) {
		l.absent = append(l.absent, now.Sub(l.expires))
	}
	l.value, l.expires = req.PostForm.Get("value"), now.Add(time.Duration(seconds)*time.Second)
	l.puts = append(l.puts, now)
	return sets(1)(req)
}

// live tells whether the entry is there, and with which value.
func (l *leases) live() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, time.Now().Before(l.expires)
}

// register runs Register until stop is called, which returns its result.
func register(t *testing.T, c *Client, value string, opts RegisterOptions) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- c.Register(ctx, "/frontends/fe1", value, opts) }()
	return func() error {
		cancel()
		return <-result
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leases{t: t}
		c, _ := newFake(t, Options{}, l.serve)
		calls := 0
		stop := register(t, c, "10.0.0.1", RegisterOptions{TTL: 6 * time.Second, OnRegistered: func() { calls++ }})
		for range 600 {
			synctest.Wait()
			if v, ok := l.live(); !ok || v != "10.0.0.1" {
				t.Fatalf("entry %q, live %v", v, ok)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Errorf("Register: %v", err)
		}
		if _, ok := l.live(); ok {
			t.Error("the entry outlives the registration")
		}
		if calls != 1 {
			t.Errorf("OnRegistered was called %d times", calls)
		}
		// A minute of heartbeats every 1.6 to 2 seconds, none like the other.
		if n := len(l.puts); n < 30 || n > 38 {
			t.Errorf("%d heartbeats in a minute", n)
		}
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(l.puts); i++ {
			gaps[l.puts[i].Sub(l.puts[i-1])] = true
		}
		if len(gaps) < len(l.puts)/2 {
			t.Error("heartbeats come without jitter")
		}
	})
}

// TestRegisterOutlivesNodes: with two nodes of one cluster, the entry never goes while one of them works, however the
// other fails.
func TestRegisterOutlivesNodes(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]nodeFunc{"refused": refused, "cut": cut, "hangs": hangs, "not ready": refuses(503, 300)} {
		synctest.Test(t, func(t *testing.T) {
			l := &leases{t: t}
			c, f := newFake(t, Options{}, l.serve, l.serve)
			stop := register(t, c, "v", RegisterOptions{TTL: 3 * time.Second})
			for i := range 40 {
				time.Sleep(time.Second)
				f.set("a", []nodeFunc{l.serve, failure}[i/5%2])
				f.set("b", []nodeFunc{failure, l.serve}[i/5%2])
			}
			if len(l.absent) > 0 {
				t.Errorf("%s: the entry was absent %v", name, l.absent)
			}
			if err := stop(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if _, ok := l.live(); ok {
				t.Errorf("%s: the entry outlives the registration", name)
			}
		})
	}
}

// TestRegisterThroughOutage: after an outage the entry is back at once, not an interval later; the log tells both ends.
func TestRegisterThroughOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leases{t: t}
		c, f := newFake(t, Options{}, refused)
		var log strings.Builder
		logger := slog.New(slog.NewTextHandler(&log, nil))
		stop := register(t, c, "v", RegisterOptions{TTL: 60 * time.Second, Logger: logger})
		time.Sleep(time.Hour)
		f.set("a", l.serve)
		time.Sleep(maxPause + time.Second)
		if _, ok := l.live(); !ok {
			t.Error("not registered after the registry came up")
		}
		f.set("a", refused)
		time.Sleep(time.Hour)
		f.set("a", l.serve)
		time.Sleep(maxPause + time.Second)
		if _, ok := l.live(); !ok {
			t.Error("not registered after the outage")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		for msg, want := range map[string]int{
			"heartbeat failed": 2, "msg=registered": 1, "heartbeat recovered": 1, "msg=deregistered": 1,
		} {
			if got := strings.Count(log.String(), msg); got != want {
				t.Errorf("%d times %q in the log, want %d:\n%s", got, msg, want, log.String())
			}
		}
	})
}

func TestRegisterLeavesTheSuccessorAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leases{t: t}
		c, _ := newFake(t, Options{}, l.serve)
		stop := register(t, c, "old", RegisterOptions{TTL: time.Minute})
		synctest.Wait()
		if _, err := c.Set(t.Context(), "/frontends/fe1", "new", SetOptions{TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if v, ok := l.live(); !ok || v != "new" {
			t.Errorf("entry %q, live %v; want the successor's", v, ok)
		}
	})
}

// TestDeregisterIsBounded: with no node left, the end takes its time-out and says that the entry is still there.
func TestDeregisterIsBounded(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]nodeFunc{"refused": refused, "hangs": hangs} {
		synctest.Test(t, func(t *testing.T) {
			l := &leases{t: t}
			c, f := newFake(t, Options{}, l.serve)
			stop := register(t, c, "v", RegisterOptions{TTL: time.Hour, DeregisterTimeout: 3 * time.Second})
			synctest.Wait()
			f.set("a", failure)
			began := time.Now()
			if err := stop(); err == nil || !strings.Contains(err.Error(), "deregister /frontends/fe1") {
				t.Errorf("%s: error %v", name, err)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
		})
	}
}

// TestLastHeartbeatComesFirst: a heartbeat under way at the end is not overtaken by the removal.
func TestLastHeartbeatComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leases{t: t}
		slow := func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPut {
				time.Sleep(500 * time.Millisecond)
			}
			return l.serve(req)
		}
		c, _ := newFake(t, Options{}, slow)
		stop := register(t, c, "v", RegisterOptions{TTL: time.Minute})
		time.Sleep(100 * time.Millisecond)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(l.puts) != 1 {
			t.Errorf("%d heartbeats, want the one under way", len(l.puts))
		}
		if _, ok := l.live(); ok {
			t.Error("the entry outlives the registration")
		}
	})
}

func TestRegisterRefusedAtFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := newFake(t, Options{}, refuses(http.StatusForbidden, CodeNotFile))
		if err := c.Register(t.Context(), "/k", "v", RegisterOptions{TTL: time.Second}); !IsNotFile(err) {
			t.Errorf("error %v", err)
		}
		if got := f.takeAsked(); len(got) != 1 {
			t.Errorf("asked %v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Register(ctx, "/k", "v", RegisterOptions{TTL: time.Second}); err != nil || len(f.takeAsked()) != 0 {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

// TestRegisterRefusedLater: an operator's mistake, once put right, does not need a restart of the host.
func TestRegisterRefusedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &leases{t: t}
		c, f := newFake(t, Options{}, l.serve)
		stop := register(t, c, "v", RegisterOptions{TTL: time.Second})
		time.Sleep(10 * time.Second)
		f.set("a", refuses(http.StatusForbidden, CodeNotFile))
		time.Sleep(10 * time.Second)
		f.set("a", l.serve)
		time.Sleep(time.Second)
		if _, ok := l.live(); !ok {
			t.Error("not registered again")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRegisterOptionsAreChecked(t *testing.T) {
	t.Parallel()
	c, f := newFake(t, Options{}, sets(1))
	for name, err := range map[string]error{
		"no TTL":           c.Register(t.Context(), "/k", "v", RegisterOptions{}),
		"no value":         c.Register(t.Context(), "/k", "", RegisterOptions{TTL: time.Second}),
		"bad key":          c.Register(t.Context(), "/..", "v", RegisterOptions{TTL: time.Second}),
		"interval too big": c.Register(t.Context(), "/k", "v", RegisterOptions{TTL: time.Second, Interval: time.Second}),
		"negative":         c.Register(t.Context(), "/k", "v", RegisterOptions{TTL: time.Second, DeregisterTimeout: -1}),
		"negative TTL":     c.Register(t.Context(), "/k", "v", RegisterOptions{TTL: -time.Second}),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := f.takeAsked(); len(got) != 0 {
		t.Errorf("asked %v", got)
	}
}
