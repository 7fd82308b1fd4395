package gossiptest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// windowBytes is how much a stream holds in one direction before its writer waits.
const windowBytes = 256 << 10

// errReset is the error of a stream whose other end is gone.
var errReset = errors.New("connection reset by peer")

// Conn is one end of a stream.
type Conn struct {
	local, remote string
	net           *Network
	in, out       *pipe
	forget        func()
	once          sync.Once
}

// newConns returns both ends of a stream that was opened on a link.
func newConns(n *Network, l link) (near, far *Conn) {
	there, back := newPipe(n, l), newPipe(n, link{l.to, l.from})
	near = &Conn{local: l.from, remote: l.to, net: n, in: back, out: there, forget: func() {}}
	far = &Conn{local: l.to, remote: l.from, net: n, in: there, out: back, forget: func() {}}
	return near, far
}

// lose lets all that is written to the other end vanish.
func (c *Conn) lose() {
	c.in.mu.Lock()
	c.in.lost = true
	c.in.mu.Unlock()
	c.out.finish(io.EOF)
}

// Read reads what has arrived.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	c.net.mu.Lock()
	c.net.count(c.local).Received += uint64(n)
	c.net.mu.Unlock()
	return n, err
}

// Write sends, and waits while too much is on its way.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	c.net.mu.Lock()
	c.net.count(c.local).Sent += uint64(n)
	c.net.mu.Unlock()
	return n, err
}

// Close ends the stream. What was written still arrives.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.out.finish(io.EOF)
		c.in.abandon()
		c.forget()
	})
	return nil
}

// reset breaks the stream.
func (c *Conn) reset() {
	c.out.breaks()
	c.in.breaks()
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return addr(c.local) }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return addr(c.remote) }

// SetDeadline bounds reads and writes.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	c.out.setWriteDeadline(t)
	return nil
}

// SetReadDeadline bounds reads.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	return nil
}

// SetWriteDeadline bounds writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return nil
}

// part is a piece of a stream.
type part struct {
	bytes []byte
	at    time.Time // when it arrives
}

// pipe is one direction of a stream.
type pipe struct {
	net  *Network
	link link

	mu            sync.Mutex
	parts         []part
	held          int
	end           error // what the reader gets after the parts, nil while it is open
	broken        error // what both get at once
	lost          bool  // what is written vanishes
	deaf          bool  // the reader has closed
	readBy        time.Time
	writeBy       time.Time
	changed       chan struct{} // closed and replaced when something above changes
	lastDeparture time.Time     // no part arrives before the one before it
}

func newPipe(n *Network, l link) *pipe {
	return &pipe{net: n, link: l, changed: make(chan struct{})}
}

// change runs f and wakes all who wait.
func (p *pipe) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pipe) setReadDeadline(t time.Time)  { p.change(func() { p.readBy = t }) }
func (p *pipe) setWriteDeadline(t time.Time) { p.change(func() { p.writeBy = t }) }

// finish ends the pipe at the writer's side.
func (p *pipe) finish(err error) {
	p.change(func() {
		if p.end == nil {
			p.end = err
		}
	})
}

// abandon ends the pipe at the reader's side.
func (p *pipe) abandon() { p.change(func() { p.deaf = true }) }

// breaks ends the pipe at both sides.
func (p *pipe) breaks() { p.change(func() { p.broken = errReset }) }

func (p *pipe) read(b []byte) (int, error) {
	for {
		flows, unblocked := p.net.flows(p.link)
		now := time.Now()
		p.mu.Lock()
		n, err := p.tryRead(b, flows, now)
		until, changed := p.readBy, p.changed
		if flows && len(p.parts) > 0 && (until.IsZero() || p.parts[0].at.Before(until)) {
			until = p.parts[0].at
		}
		p.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		await(until, changed, unblocked)
	}
}

// tryRead reads if there is something now. The lock must be held.
func (p *pipe) tryRead(b []byte, flows bool, now time.Time) (int, error) {
	switch {
	case p.deaf:
		return 0, net.ErrClosed
	case p.broken != nil:
		return 0, p.broken
	case !p.readBy.IsZero() && !now.Before(p.readBy):
		return 0, os.ErrDeadlineExceeded
	case flows && len(p.parts) > 0 && !now.Before(p.parts[0].at):
		return p.consume(b), nil
	case flows && len(p.parts) == 0 && p.end != nil:
		return 0, p.end
	}
	return 0, nil
}

// consume takes bytes from the first part. The lock must be held.
func (p *pipe) consume(b []byte) int {
	n := copy(b, p.parts[0].bytes)
	p.parts[0].bytes = p.parts[0].bytes[n:]
	if len(p.parts[0].bytes) == 0 {
		p.parts = p.parts[1:]
	}
	p.held -= n
	close(p.changed)
	p.changed = make(chan struct{})
	return n
}

func (p *pipe) write(b []byte) (int, error) {
	written := 0
	for {
		delay := p.net.streamDelay(p.link)
		p.mu.Lock()
		n, err := p.tryWrite(b[written:], delay, time.Now())
		until, changed := p.writeBy, p.changed
		p.mu.Unlock()
		written += n
		if err != nil || written == len(b) {
			return written, err
		}
		if n == 0 {
			await(until, changed, nil)
		}
	}
}

// tryWrite puts into the pipe what there is room for. The lock must be held.
func (p *pipe) tryWrite(b []byte, delay time.Duration, now time.Time) (int, error) {
	switch {
	case p.broken != nil:
		return 0, p.broken
	case p.end != nil:
		return 0, net.ErrClosed
	case p.deaf:
		return 0, errReset
	case !p.writeBy.IsZero() && !now.Before(p.writeBy):
		return 0, os.ErrDeadlineExceeded
	case p.lost:
		return len(b), nil
	}
	n := min(len(b), windowBytes-p.held)
	if n == 0 {
		return 0, nil
	}
	at := now.Add(delay)
	if at.Before(p.lastDeparture) {
		at = p.lastDeparture
	}
	p.lastDeparture = at
	p.parts = append(p.parts, part{append([]byte(nil), b[:n]...), at})
	p.held += n
	close(p.changed)
	p.changed = make(chan struct{})
	return n, nil
}

// await waits for a time, if it is one, and for two channels.
func await(until time.Time, a, b <-chan struct{}) {
	var timeout <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-timeout:
	case <-a:
	case <-b:
	}
}
