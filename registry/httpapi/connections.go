package httpapi

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// spareConnections are open beyond the limit at most. They are for probes: whoever looks
	// after the node must not take it for dead because it is full.
	spareConnections = 32

	// idleGrace is how long a connection stays that has nothing under way: a new one needs that
	// time to send its request, and with an old one the next request may be on its way.
	idleGrace = time.Second
)

// connections are the open connections of a server. The limit costs idle ones first: one that
// comes when there is no room takes the place of the one that has been idle for longest. A
// listener that stopped to accept instead, as netutil.LimitListener does, would leave the
// health probes in the kernel's queue behind clients that only sit there.
type connections struct {
	limit   int    // 0 for none
	refused func() // is called for each request or connection that finds no room
	evicted atomic.Uint64
	spares  atomic.Int64 // open beyond the limit

	mu   sync.Mutex
	open int
	idle list.List // of *conn with no request under way, the longest idle first
}

// conn is an open connection.
type conn struct {
	net.Conn
	all   *connections
	spare bool // beyond the limit

	// Guarded by all.mu.
	place  *list.Element // in all.idle, nil while a request is under way
	since  time.Time     // when it became idle
	closed bool
}

// Bound has a server keep to the limit on connections when it serves the listener that is
// returned. Over the limit the connection that has been idle for longest, a second at least,
// is closed for a new one; so it is when there is no file descriptor left. Where all are busy
// a few connections more are taken, and on them only probes and metrics are answered. The
// listener may be wrapped by one for TLS.
func (g *Guard) Bound(s *http.Server, l net.Listener) net.Listener {
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if own, ok := ownConn(c); ok {
			g.conns.follow(own, state)
		}
	}
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if own, ok := ownConn(c); ok && own.spare {
			return context.WithValue(ctx, spareKey{}, true)
		}
		return ctx
	}
	return &boundListener{l, &g.conns}
}

// ownConn finds the connection that Accept returned, also below TLS.
func ownConn(c net.Conn) (own *conn, ok bool) {
	if upper, isTLS := c.(*tls.Conn); isTLS {
		c = upper.NetConn()
	}
	own, ok = c.(*conn)
	return own, ok
}

// spareKey marks the context of requests on connections beyond the limit.
type spareKey struct{}

// isSpare tells whether a request is on a connection beyond the limit.
func (g *Guard) isSpare(r *http.Request) bool {
	return g.conns.spares.Load() > 0 && r.Context().Value(spareKey{}) != nil
}

// boundListener takes connections as long as there is room.
type boundListener struct {
	net.Listener
	all *connections
}

// Accept implements [net.Listener].
func (l *boundListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				l.all.evict() // the server tries again in a moment
			}
			return nil, err
		}
		if taken := l.all.take(c); taken != nil {
			return taken, nil
		}
		l.all.refused()
		c.Close()
	}
}

// take makes room for a connection and returns it, nil when there is none.
func (s *connections) take(c net.Conn) *conn {
	if s.isFull() {
		s.evict()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := &conn{Conn: c, all: s, spare: s.limit > 0 && s.open >= s.limit}
	if own.spare {
		if s.open >= s.limit+spareConnections {
			return nil
		}
		s.spares.Add(1)
	}
	s.open++
	s.restLocked(own)
	return own
}

func (s *connections) isFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit > 0 && s.open >= s.limit
}

// evict closes the connection that has been idle for longest, if that is long enough.
func (s *connections) evict() {
	if victim := s.longestIdle(time.Now()); victim != nil {
		s.evicted.Add(1)
		victim.Close()
	}
}

func (s *connections) longestIdle(now time.Time) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	front := s.idle.Front()
	if front == nil || now.Sub(front.Value.(*conn).since) < idleGrace {
		return nil
	}
	return front.Value.(*conn)
}

// follow notes whether a connection has a request under way.
func (s *connections) follow(c *conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.closed:
	case state == http.StateActive:
		s.wakeLocked(c)
	case state == http.StateIdle:
		s.restLocked(c)
	}
}

func (s *connections) restLocked(c *conn) {
	c.since = time.Now()
	c.place = s.idle.PushBack(c)
}

func (s *connections) wakeLocked(c *conn) {
	if c.place != nil {
		s.idle.Remove(c.place)
		c.place = nil
	}
}

func (s *connections) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// drop notes that a connection is being closed.
func (s *connections) drop(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	s.open--
	s.wakeLocked(c)
	if c.spare {
		s.spares.Add(-1)
	}
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.all.drop(c)
	return c.Conn.Close()
}

// CloseWrite lets net/http send an answer to the end before it closes the connection.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// probesFirst refuses what is no probe on connections beyond the limit.
func (a *api) probesFirst(next http.Handler) http.Handler {
	g := a.opts.Guard
	if g == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.isSpare(r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close") // leave room for the next
		if isProbe(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		err := g.refuse(LimitConnections, "too many connections are open (max-connections)")
		err.status = http.StatusServiceUnavailable
		a.writeRefusal(w, err)
	})
}

// isProbe tells whether a path is for those who look after the node.
func isProbe(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "livez", "readyz", "health", "metrics":
		return true
	default:
		return false
	}
}
