package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// watchTimeout bounds one change, from the write to the last watcher's answer.
	watchTimeout = time.Minute
	// dialers open connections at the same time; well below the backlog of a listener.
	dialers = 128

	watchedPath = "/v2/keys/watched"
)

// A crowd is many connections to one server, each waiting for a change of the same key.
type crowd struct {
	server *server
	conns  []watcherConn
}

// A watcherConn is one of them. It speaks HTTP by itself: an http.Client would cost more than the servers do.
type watcherConn struct {
	net.Conn
	reader *bufio.Reader
}

// openCrowd connects all watchers and returns when the server counts them as waiting.
func openCrowd(ctx context.Context, s *server, watchers int) (*crowd, error) {
	c := &crowd{server: s, conns: make([]watcherConn, watchers)}
	err := c.each(ctx, func(ctx context.Context, i int) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			return err
		}
		c.conns[i] = watcherConn{conn, bufio.NewReaderSize(conn, 1024)}
		return nil
	})
	if err == nil {
		err = c.poll(ctx)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// each calls the function for all connections, some at a time.
func (c *crowd) each(ctx context.Context, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(dialers)
	for i := range c.conns {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// poll sends a long poll on each connection and waits until the server has registered all of them.
func (c *crowd) poll(ctx context.Context) error {
	err := c.each(ctx, func(_ context.Context, i int) error {
		_, err := io.WriteString(c.conns[i], "GET "+watchedPath+"?wait=true HTTP/1.1\r\nHost: registry\r\n\r\n")
		return err
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	for {
		waiting, err := c.server.watchers(ctx)
		if err != nil {
			return err
		}
		if waiting >= len(c.conns) {
			return nil
		}
		if kit.Pause(ctx, 10*time.Millisecond) != nil {
			return fmt.Errorf("only %d of %d watchers are registered", waiting, len(c.conns))
		}
	}
}

// watchers is how many watches the server counts.
func (s *server) watchers(ctx context.Context) (int, error) {
	var stats struct {
		Watchers int `json:"watchers"`
	}
	resp, err := get(ctx, s.url+"/v2/stats/store")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		return 0, fmt.Errorf("parse /v2/stats/store: %w", err)
	}
	return stats.Watchers, nil
}

// change writes the value and returns how many milliseconds later each watcher had its whole answer.
func (c *crowd) change(ctx context.Context, value string) ([]float64, error) {
	answered := make([]time.Time, len(c.conns))
	var readers errgroup.Group
	for i := range c.conns {
		readers.Go(func() error {
			var err error
			answered[i], err = c.conns[i].await(value)
			return err
		})
	}
	start := time.Now()
	if _, err := c.server.send(ctx, putRequest(watchedPath, "value="+value)); err != nil {
		c.close() // Ends the readers.
		return nil, errors.Join(err, readers.Wait())
	}
	if err := readers.Wait(); err != nil {
		return nil, err
	}
	took := make([]float64, len(answered))
	for i, at := range answered {
		took[i] = float64(at.Sub(start).Microseconds()) / 1000
	}
	return took, nil
}

// await reads the answer to a long poll, makes sure that it tells of the value, and returns when it was complete.
func (w watcherConn) await(value string) (time.Time, error) {
	if err := w.SetReadDeadline(time.Now().Add(watchTimeout)); err != nil {
		return time.Time{}, err
	}
	resp, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	at := time.Now()
	if err != nil {
		return at, err
	}
	a, err := parseAnswer(body)
	if err == nil && (resp.StatusCode != http.StatusOK || a.Node.Value != value) {
		err = fmt.Errorf("a watcher was told %s, %s", resp.Status, body)
	}
	return at, err
}

// close drops all connections at once, without leaving them to the kernel for a minute each.
func (c *crowd) close() {
	for _, w := range c.conns {
		if tcp, ok := w.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // Only a courtesy to the kernel's table of ports.
			_ = tcp.Close()
		}
	}
}
