package httpapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/registry"
)

// pipes is a listener within a bubble.
type pipes struct {
	conns chan net.Conn
	fails chan error
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.fails:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.done); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// host is a client's end of a connection.
type host struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (l *pipes) dial(t *testing.T) *host {
	t.Helper()
	server, client := net.Pipe()
	l.conns <- server
	synctest.Wait()
	t.Cleanup(func() { client.Close() })
	return &host{t, client, bufio.NewReader(client)}
}

// get makes a request and returns the answer, nil when the connection is closed instead.
func (h *host) get(path string) *http.Response {
	h.t.Helper()
	if _, err := fmt.Fprintf(h, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return nil
	}
	resp, err := http.ReadResponse(h.r, nil)
	if err != nil {
		return nil
	}
	if resp.ContentLength >= 0 { // else it is a watch
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			h.t.Error(err)
		}
		resp.Status += " " + string(body)
	}
	synctest.Wait()
	return resp
}

func (h *host) want(path string, code int) *http.Response {
	h.t.Helper()
	resp := h.get(path)
	if resp == nil || resp.StatusCode != code {
		h.t.Fatalf("%s: %+v, want %d", path, resp, code)
	}
	return resp
}

func (h *host) isClosed() bool {
	h.t.Helper()
	if err := h.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return true
	}
	_, err := h.r.Peek(1)
	if err := h.SetReadDeadline(time.Time{}); err != nil {
		return true
	}
	return errors.Is(err, io.EOF)
}

// inBoundServer runs a test with a server of two connections.
func inBoundServer(t *testing.T, test func(t *testing.T, l *pipes, g *Guard)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Connections: 2})
		live := []Check{{Name: "store", Fail: func() error { return nil }}}
		server := NewServer(New(registry.New(registry.Options{}), Options{Guard: g, Live: live}), slog.New(slog.DiscardHandler))
		l := &pipes{make(chan net.Conn), make(chan error), make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(g.Bound(server, l)) }()
		stop := sync.OnceFunc(func() {
			server.Close()
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
			synctest.Wait()
		})
		defer stop()
		test(t, l, g)
		stop()
		if got := g.Stats().Connections; got != 0 {
			t.Errorf("%d connections are left", got)
		}
		if left := g.conns.idle.Len(); left != 0 || g.conns.spares.Load() != 0 {
			t.Errorf("%d idle, %d beyond the limit are left", left, g.conns.spares.Load())
		}
	})
}

// A new connection takes the place of the one that is idle for longest, and of none that
// just came.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	inBoundServer(t, func(t *testing.T, l *pipes, g *Guard) {
		t.Helper()
		first, second := l.dial(t), l.dial(t)
		time.Sleep(2 * time.Second)
		first.want("/version", http.StatusOK) // the second has been silent for longer
		third := l.dial(t)
		third.want("/version", http.StatusOK)
		if !second.isClosed() || first.isClosed() || g.Stats().Evicted != 1 {
			t.Error("the wrong connection was closed")
		}
		if third.isClosed() || l.dial(t).want("/v2/keys/", http.StatusServiceUnavailable) == nil {
			t.Error("a connection was closed that could not yet be used")
		}
		time.Sleep(2 * time.Second)
		first.want("/version", http.StatusOK)
		l.dial(t).want("/v2/keys/", http.StatusOK)
		if !third.isClosed() || first.isClosed() || g.Stats().Evicted != 2 {
			t.Error("the wrong connection was closed")
		}
	})
}

// Where all are busy, probes and metrics are answered, and nothing else.
func TestProbesOfAFullServer(t *testing.T) {
	inBoundServer(t, func(t *testing.T, l *pipes, g *Guard) {
		t.Helper()
		for range 2 {
			l.dial(t).want("/v2/keys/a?wait=true", http.StatusOK)
		}
		time.Sleep(time.Minute)
		for _, path := range []string{"/livez", "/livez/store", "/readyz", "/health"} {
			if resp := l.dial(t).want(path, http.StatusOK); !resp.Close {
				t.Errorf("%s: the connection stays", path)
			}
		}
		resp := l.dial(t).want("/v2/keys/a", http.StatusServiceUnavailable)
		want := "503 Service Unavailable " + `{"errorCode":120,"message":"Limit reached","cause":"too many connections are open (max-connections)","index":`
		if !resp.Close || resp.Header.Get("Retry-After") != "1" || len(resp.Status) < len(want) || resp.Status[:len(want)] != want {
			t.Errorf("%v %s", resp.Header, resp.Status)
		}
		if got := g.Stats(); got.Refusals[LimitConnections] != 1 || got.Connections != 2 || got.Evicted != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// The places for probes are not for those who sit on them, and there are no more.
func TestSparePlacesAreBounded(t *testing.T) {
	inBoundServer(t, func(t *testing.T, l *pipes, g *Guard) {
		t.Helper()
		for range 2 {
			l.dial(t).want("/v2/keys/a?wait=true", http.StatusOK)
		}
		for range spareConnections {
			l.dial(t)
		}
		if !l.dial(t).isClosed() || g.Stats().Connections != 2+spareConnections || g.Stats().Refusals[LimitConnections] != 1 {
			t.Errorf("one too many is taken: %+v", g.Stats())
		}
		time.Sleep(2 * time.Second)
		l.dial(t).want("/livez", http.StatusOK)
	})
}

// Without file descriptors an idle connection gives its own.
func TestNoFileDescriptorsLeft(t *testing.T) {
	inBoundServer(t, func(t *testing.T, l *pipes, g *Guard) {
		t.Helper()
		idle := l.dial(t)
		time.Sleep(2 * time.Second)
		l.fails <- &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
		synctest.Wait()
		if !idle.isClosed() || g.Stats().Evicted != 1 {
			t.Error("an idle connection keeps its file descriptor")
		}
		time.Sleep(time.Second) // the server tries again after a moment
		l.dial(t).want("/livez", http.StatusOK)
	})
}
