package lbtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/lbsync/lbtest/ports"
)

// Backend is a web server that answers with its name.
type Backend struct {
	// Addr is HOST:PORT.
	Addr   string
	latest atomic.Int64 // Unix time in nanoseconds
	server *httptest.Server
}

// LastRequest is when it has answered last.
func (b *Backend) LastRequest() time.Time { return time.Unix(0, b.latest.Load()) }

// NewBackend starts a Backend on an IP of 127.0.0.0/8 and a free port. It ends with the test.
func NewBackend(t *testing.T, name, ip string) *Backend {
	t.Helper()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	b := &Backend{Addr: listener.Addr().String()}
	b.server = &httptest.Server{Listener: listener, Config: &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			b.latest.Store(time.Now().UnixNano())
			_, _ = io.WriteString(w, name) // The test sees what is missing.
		}),
	}}
	b.server.Start()
	t.Cleanup(b.server.Close)
	return b
}

// FreePort returns a port of 127.0.0.1 that nothing listens on.
func FreePort(t *testing.T) string {
	t.Helper()
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(port))
}

// Get asks for / at 127.0.0.1:port on a new connection, and returns the answer's body, or "" and the status or error.
func Get(ctx context.Context, port string, header ...string) (body, trouble string) {
	host := ""
	if len(header) > 0 {
		host = header[0]
	}
	return get(ctx, port, 2*time.Second, host)
}

// get is Get with a time-out; an empty host is that of the address.
func get(ctx context.Context, port string, timeout time.Duration, host string) (body, trouble string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/", http.NoBody)
	if err != nil {
		return "", err.Error()
	}
	req.Close = true
	req.Host = host
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

// Answers asks so many times and returns who answered how often; trouble counts under its text.
func Answers(ctx context.Context, port string, times int) map[string]int {
	seen := map[string]int{}
	for range times {
		body, trouble := Get(ctx, port)
		seen[body+trouble]++
	}
	return seen
}

// Only tells whether ten requests in a row are answered by those who are named, and by each of them.
func Only(ctx context.Context, port string, who ...string) bool {
	seen := Answers(ctx, port, 10)
	for _, name := range who {
		if seen[name] == 0 {
			return false
		}
		delete(seen, name)
	}
	return len(seen) == 0
}

// Eventually waits until ok holds, and fails the test after limit.
func Eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
