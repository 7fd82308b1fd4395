package main

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// An innerPort is where lbsync reaches the node that it runs in when clients use TLS: inside of the process there is
// nobody to hide from, and the node need not trust, or even be named in, its own certificate.
type innerPort struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newInnerPort() *innerPort {
	p := &innerPort{conns: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

// transport carries requests to the port, whatever their URLs say.
func (p *innerPort) transport() http.RoundTripper {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) }
	return &http.Transport{DialContext: dial, DialTLSContext: dial}
}

func (p *innerPort) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: ctx.Err()}
	}
}

// Accept implements [net.Listener].
func (p *innerPort) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *innerPort) Close() error {
	p.close()
	return nil
}

// Addr implements [net.Listener].
func (p *innerPort) Addr() net.Addr { return innerAddr{} }

type innerAddr struct{}

func (innerAddr) Network() string { return "pipe" }
func (innerAddr) String() string  { return "inside" }
