package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// answerTime is how long a host takes for an answer, so that requests are under way at every change.
	answerTime = 5 * time.Millisecond
	// reuseAfter is how long a host is out before its address belongs to somebody else.
	reuseAfter = 2 * time.Second
	// viaHeader names the balancer that a client has asked.
	viaHeader = "Bench-Via"
)

// address is the i-th address of a group, in the loopback's network.
func address(group, i int, port uint16) string {
	return fmt.Sprintf("127.%d.%d.%d:%d", group, i/250, i%250+1, port)
}

// addresses are the first n of a group.
func addresses(group, n int, port uint16) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = address(group, i, port)
	}
	return all
}

// A visit is what one balancer has sent to one host since some change: the first and the last request's arrival.
type visit struct{ first, last time.Time }

// A witness remembers the requests that reach the hosts. It is safe for concurrent use.
type witness struct {
	mu     sync.Mutex // guards visits
	visits map[string]map[string]visit
}

func newWitness() *witness { return &witness{visits: map[string]map[string]visit{}} }

func (w *witness) saw(addr, balancer string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.visits[addr] == nil {
		w.visits[addr] = map[string]visit{}
	}
	v := w.visits[addr][balancer]
	v.last = time.Now()
	if v.first.IsZero() {
		v.first = v.last
	}
	w.visits[addr][balancer] = v
}

// turn returns the visits of a host by balancer, and begins anew.
func (w *witness) turn(addr string) map[string]visit {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.visits[addr]
	delete(w.visits, addr)
	return old
}

// first is when a balancer's first request has reached a host; zero: none has yet.
func (w *witness) first(addr, balancer string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.visits[addr][balancer].first
}

// ServeHTTP is a host's answer.
func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	w.saw(addr.String(), r.Header.Get(viaHeader))
	_, _ = io.Copy(io.Discard, r.Body) // The client tells when something is wrong.
	time.Sleep(answerTime)
	_, _ = io.WriteString(rw, "ok\n")
}

// stranger is the answer of whoever has a host's address after it.
func stranger(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "this is another service", http.StatusMisdirectedRequest)
}

// A host is a web server with an address of its own, which belongs to somebody else while the host is out for long.
// Its methods are for one goroutine.
type host struct {
	addr    string
	witness *witness
	reuse   *time.Timer // nil while it is in

	mu     sync.Mutex // guards what follows
	server *http.Server
	reused bool
}

func (w *witness) newHost(ctx context.Context, addr string) (*host, error) {
	h := &host{addr: addr, witness: w}
	return h, h.serveLocked(ctx, w)
}

// serveLocked needs no lock in newHost, where nobody else knows the host.
func (h *host) serveLocked(ctx context.Context, handler http.Handler) error {
	if h.server != nil {
		_ = h.server.Close() // Its connections are to break.
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", h.addr)
	if err != nil {
		return err
	}
	h.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = h.server.Serve(l) }() // It ends with Close.
	return nil
}

// enter makes sure that the address is the host's own.
func (h *host) enter(ctx context.Context) error {
	if h.reuse != nil {
		h.reuse.Stop()
		h.reuse = nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.reused {
		return nil
	}
	h.reused = false
	return h.serveLocked(ctx, h.witness)
}

// leave gives the address away after a while. Until then the host answers as before.
func (h *host) leave(ctx context.Context) {
	h.reuse = time.AfterFunc(reuseAfter, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.reused = true
		_ = h.serveLocked(ctx, http.HandlerFunc(stranger)) // Nobody at the address is found out as well.
	})
}

// close ends it.
func (h *host) close() {
	if h.reuse != nil {
		h.reuse.Stop()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.server.Close() // There is nobody to tell.
}

// crowd has one server answer for a port of all addresses, which is what health checks of many hosts want.
func (w *witness) crowd(ctx context.Context, port uint16) (stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()       // It ends with Close.
	return func() { _ = server.Close() }, nil // There is nobody to tell.
}
