package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// requestRate is the requests a second to each balancer, spread over clients with a connection each.
	requestRate = 400
	clients     = 20
	// clientTimeout is far beyond what an answer takes.
	clientTimeout = 5 * time.Second
)

// A kind is how clients ask.
type kind struct {
	name   string
	method string
	body   string
	fresh  bool // a new connection for each request
}

// kinds are those whose failures are counted. A client with a kept connection sends a GET again, on a new connection, when
// the old one breaks before an answer, as browsers do; never a POST.
func kinds() []kind {
	return []kind{
		{name: "GET, new connections", method: http.MethodGet, fresh: true},
		{name: "GET, keep-alive", method: http.MethodGet},
		{name: "POST, keep-alive", method: http.MethodPost, body: strings.Repeat("x", 256)},
	}
}

// A balancer is one of those under load.
type balancer struct {
	name    string
	addr    string
	reloads func(context.Context) (int, error)
}

// An outcome counts the requests of one load.
type outcome struct {
	requests int
	retried  int            // answered after all, the second time
	failed   map[string]int // by reason
}

func (o *outcome) failures() int {
	sum := 0
	for _, n := range o.failed {
		sum += n
	}
	return sum
}

func (o *outcome) add(more outcome) {
	o.requests += more.requests
	o.retried += more.retried
	if o.failed == nil {
		o.failed = map[string]int{}
	}
	for reason, n := range more.failed {
		o.failed[reason] += n
	}
}

// run asks a balancer at the usual rate until ctx ends. A request that is under way then is finished all the same.
func (k kind) run(ctx context.Context, to balancer) outcome {
	found := make(chan outcome)
	start := time.Now()
	for i := range clients {
		go func() { found <- k.client(ctx, to, start.Add(time.Duration(i)*time.Second/requestRate)) }()
	}
	var all outcome
	for range clients {
		all.add(<-found)
	}
	return all
}

// client is one of the clients: it sends a request each time one is due, or at once when the last one took too long.
func (k kind) client(ctx context.Context, to balancer, due time.Time) outcome {
	transport := &http.Transport{DisableKeepAlives: k.fresh, MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, Timeout: clientTimeout}
	o := outcome{failed: map[string]int{}}
	for ; kit.Pause(ctx, time.Until(due)) == nil; due = due.Add(clients * time.Second / requestRate) {
		tries, err := k.request(context.WithoutCancel(ctx), c, to)
		o.requests++
		switch {
		case err != nil:
			o.failed[reason(err)]++
		case tries > 1:
			o.retried++
		}
	}
	return o
}

// request does one request and counts the connections it took.
func (k kind) request(ctx context.Context, c *http.Client, to balancer) (tries int, err error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { tries++ }})
	req, err := http.NewRequestWithContext(ctx, k.method, "http://"+to.addr+"/", strings.NewReader(k.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set(viaHeader, to.name)
	resp, err := c.Do(req)
	if err != nil {
		return tries, err
	}
	defer func() { _ = resp.Body.Close() }() // It has been read.
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return tries, err
	}
	if resp.StatusCode != http.StatusOK {
		return tries, &statusError{resp.StatusCode}
	}
	return tries, nil
}

// A statusError is an answer that is not the right one.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.status) }

// reason is one of a few words for a failure.
func reason(err error) string {
	if e, ok := errors.AsType[*statusError](err); ok {
		if e.status == http.StatusMisdirectedRequest {
			return "stranger"
		}
		return e.Error()
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "timeout"
	}
	for _, known := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}
