package httpapi

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/registry"
)

// No connection may stay for ever without doing anything.
func TestServerHasAllTimeouts(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, d := range map[string]time.Duration{
		"ReadHeaderTimeout": s.ReadHeaderTimeout,
		"ReadTimeout":       s.ReadTimeout,
		"WriteTimeout":      s.WriteTimeout,
		"IdleTimeout":       s.IdleTimeout,
	} {
		if d < time.Second || d > 10*time.Minute {
			t.Errorf("%s is %v", name, d)
		}
	}
	if s.ReadHeaderTimeout > s.ReadTimeout {
		t.Errorf("a header may take %v, a whole request %v", s.ReadHeaderTimeout, s.ReadTimeout)
	}
}

// What clients do is for debugging; a panic is an error, and a lack of file descriptors
// a warning, once in a while.
func TestServerLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		options := &slog.HandlerOptions{Level: slog.LevelDebug}
		s := NewServer(http.NotFoundHandler(), slog.New(slog.NewTextHandler(&log, options)))
		for _, line := range []struct{ text, level string }{
			{"http: TLS handshake error from 10.0.0.1", "DEBUG"},
			{"http: panic serving 10.0.0.1: nil", "ERROR"},
			{"http: Accept error: too many open files; retrying in 5ms", "WARN"},
			{"http: Accept error: too many open files; retrying in 10ms", "DEBUG"},
			{"http: panic serving 10.0.0.1: nil", "ERROR"},
		} {
			log.Reset()
			s.ErrorLog.Print(line.text)
			if got := log.String(); !strings.Contains(got, "level="+line.level) || !strings.Contains(got, line.text) {
				t.Errorf("%q arrives as %q, want level %s", line.text, got, line.level)
			}
		}
		time.Sleep(acceptPause)
		log.Reset()
		if s.ErrorLog.Print("http: Accept error: x"); !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("after a pause: %q", log.String())
		}
	})
}

// A header is bounded as well: a long key passes, megabytes do not.
func TestHeaderIsBounded(t *testing.T) {
	base := start(t, registry.New(registry.Options{}), nil)
	for length, want := range map[int]int{256 << 10: http.StatusNotFound, 2 << 20: http.StatusRequestHeaderFieldsTooLarge} {
		if resp := get(t, base+"/v2/keys/"+strings.Repeat("k", length)); resp.StatusCode != want {
			t.Errorf("a key of %d bytes: %s, want %d", length, resp.Status, want)
		}
	}
}

// pipeListener accepts one connection, which holds no byte on its way: a write waits
// until the other side reads.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipeListener() (*pipeListener, net.Conn) {
	server, client := net.Pipe()
	l := &pipeListener{conns: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conns <- server
	return l, client
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// A watcher that does not accept its event is given up, with its connection, its handler
// and its watch, be the event small enough for the server's buffer or not; before it gets
// its event it may wait as long as it likes.
func TestWatcherThatDoesNotReadIsGivenUp(t *testing.T) {
	for _, query := range []string{"?wait=true", "?wait=true&stream=true"} {
		for _, size := range []int{10, 1 << 20} {
			t.Run(fmt.Sprintf("%s/%d", query, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					testGivenUp(t, query, strings.Repeat("x", size))
				})
			})
		}
	}
}

func testGivenUp(t *testing.T, query, value string) {
	t.Helper()
	store := registry.New(registry.Options{})
	server := NewServer(New(store, Options{}), slog.New(slog.DiscardHandler))
	var state atomic.Value
	server.ConnState = func(_ net.Conn, s http.ConnState) { state.Store(s) }
	l, client := newPipeListener()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		server.Close()
		client.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()

	fmt.Fprintf(client, "GET /v2/keys/fe1%s HTTP/1.1\r\nHost: x\r\n\r\n", query)
	if line, err := bufio.NewReader(client).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q, %v", line, err)
	}
	time.Sleep(time.Hour) // of the bubble's time
	put(t, store, "/fe1", value)
	time.Sleep(watchWriteTimeout - time.Second)
	synctest.Wait()
	if now := state.Load(); now != http.StateActive {
		t.Errorf("the connection is %v before its time", now)
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if now := state.Load(); now != http.StateClosed || store.Stats().Watchers != 0 {
		t.Errorf("the connection is %v with %d watches", now, store.Stats().Watchers)
	}
}
