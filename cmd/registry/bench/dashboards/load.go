package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	hosts = 9 // that heartbeat all the time
	ttl   = "6"
	beat  = 2 * time.Second
)

// play runs the load and what happens in it, and returns the time that there is to be asked of.
func (r *rig) play(ctx context.Context, lasts time.Duration) (past span, err error) {
	load, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer func() { stop(); group.Wait() }()
	past.start = time.Now()
	begin := func(run func(context.Context)) { group.Go(func() { run(load) }) }
	for i := range hosts {
		begin(func(ctx context.Context) { r.host(ctx, i) })
	}
	for i := range 4 {
		begin(func(ctx context.Context) { r.watch(ctx, i) })
	}
	begin(r.readers)
	begin(r.clients)
	begin(r.comeAndGo)
	for _, step := range []struct {
		at   float64 // of the whole time
		what string
		do   func(context.Context) error
	}{
		{0.15, "lbsync.yaml is read again", func(context.Context) error { return r.lbsync.cmd.Process.Signal(syscall.SIGHUP) }},
		{0.35, "node-3 is killed", func(context.Context) error { r.nodes[nodes-1].stop(syscall.SIGKILL); return nil }},
		{0.65, "node-3 is started again", r.nodes[nodes-1].start},
		{1, "the end", func(context.Context) error { return nil }},
	} {
		at := past.start.Add(time.Duration(step.at * float64(lasts)))
		if err := kit.Pause(ctx, time.Until(at)); err != nil {
			return past, err
		}
		kit.Progress(r.progress, "%s", step.what)
		if err := step.do(ctx); err != nil {
			return past, fmt.Errorf("%s: %w", step.what, err)
		}
		past.marks = append(past.marks, mark{time.Now(), step.what})
	}
	past.end = time.Now()
	return past, nil
}

// ask sends a request to a node, or to another one if that does not answer. What comes back does not matter here.
func (r *rig) ask(ctx context.Context, node int, method, path string, form url.Values) {
	for i := range nodes {
		request, err := http.NewRequestWithContext(ctx, method, r.urls[(node+i)%nodes]+path, strings.NewReader(form.Encode()))
		if err != nil {
			return
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := r.client.Do(request)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			return
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// every runs something again and again.
func every(ctx context.Context, interval time.Duration, do func(round int)) {
	for i := 0; kit.Pause(ctx, interval) == nil; i++ {
		do(i)
	}
}

// host is a frontend: it serves, registers and heartbeats, each time at the next node, as behind a balancer.
func (r *rig) host(ctx context.Context, i int) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, i) }), ReadHeaderTimeout: time.Second}
	defer server.Close()
	go func() { _ = server.Serve(l) }() // It ends with the server.
	prefix := "/frontends"
	if i >= hosts-2 {
		prefix = "/caches"
	}
	every(ctx, beat, func(round int) {
		r.ask(ctx, i+round/10, http.MethodPut, fmt.Sprintf("/v2/keys%s/fe%d", prefix, i), url.Values{"value": {l.Addr().String()}, "ttl": {ttl}})
	})
}

// watch waits for changes, as a balancer without lbsync does.
func (r *rig) watch(ctx context.Context, i int) {
	every(ctx, 10*time.Millisecond, func(int) {
		r.ask(ctx, i, http.MethodGet, "/v2/keys/frontends?wait=true&recursive=true", nil)
	})
}

// readers are what asks without changing anything: people, probes, clients of the balancer.
func (r *rig) readers(ctx context.Context) {
	every(ctx, 150*time.Millisecond, func(round int) {
		r.ask(ctx, round, http.MethodGet, "/v2/keys/frontends?recursive=true", nil)
		if round%10 == 0 {
			r.ask(ctx, round/10, http.MethodGet, "/v2/keys/nothing", nil)
			_ = probe(ctx, r.client, r.urls[round/10%nodes]+"/readyz") // One of them is down for a while.
		}
		_ = probe(ctx, r.client, r.balance) // Until the first host is there it has none.
	})
}

// clients are people and programs that change keys without a TTL, some in vain.
func (r *rig) clients(ctx context.Context) {
	every(ctx, 700*time.Millisecond, func(round int) {
		r.ask(ctx, round, http.MethodPut, "/v2/keys/settings/s"+strconv.Itoa(round%5), url.Values{"value": {strconv.Itoa(round)}})
		switch round % 6 {
		case 0:
			r.ask(ctx, round, http.MethodPut, "/v2/keys/settings/s0?prevValue=never", url.Values{"value": {"x"}})
		case 2:
			r.ask(ctx, round, http.MethodPut, "/v2/keys/settings/s1", url.Values{"value": {"x"}, "ttl": {"no number"}})
		case 4:
			r.ask(ctx, round, http.MethodPut, "/v2/keys/settings/s2?prevExist=false", url.Values{"value": {"x"}})
		}
	})
}

// comeAndGo are hosts that are there for a while: some say that they go, some die, and one has no address.
func (r *rig) comeAndGo(ctx context.Context) {
	every(ctx, 8*time.Second, func(round int) {
		key := fmt.Sprintf("/v2/keys/frontends/guest%d", round)
		value := fmt.Sprintf("127.0.0.1:%d", 30000+round)
		if round%4 == 3 {
			value = "not an address"
		}
		r.ask(ctx, round, http.MethodPut, key, url.Values{"value": {value}, "ttl": {ttl}})
		if round%2 == 0 && kit.Pause(ctx, 3*time.Second) == nil {
			r.ask(ctx, round+1, http.MethodDelete, key, nil)
		}
	})
}
