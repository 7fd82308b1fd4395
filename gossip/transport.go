package gossip

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// writeTimeout bounds each write to a stream. memberlist's reliable send sets no
// deadline itself; a peer that reads nothing must not hold its sender for ever.
const writeTimeout = 5 * time.Second

// dialTimeout bounds each dial, below the 10 s of memberlist: on a local network an
// address that does not answer in 3 s is not there.
const dialTimeout = 3 * time.Second

// traffic counts bytes as they are on the wire.
type traffic struct {
	packets, streams atomic.Uint64
}

// transport puts deadlines and counters around another transport.
type transport struct {
	memberlist.NodeAwareTransport

	sent, received traffic
	packets        chan *memberlist.Packet
	streams        chan net.Conn
	stopped        chan struct{}
	wg             sync.WaitGroup

	mu     sync.Mutex
	conns  map[*conn]struct{} // open ones; nil after Shutdown
	closed bool
}

func newTransport(inner memberlist.NodeAwareTransport) *transport {
	t := &transport{
		NodeAwareTransport: inner,
		packets:            make(chan *memberlist.Packet),
		streams:            make(chan net.Conn),
		stopped:            make(chan struct{}),
		conns:              make(map[*conn]struct{}),
	}
	t.wg.Go(t.forwardPackets)
	t.wg.Go(t.forwardStreams)
	return t
}

// PacketCh returns the packets that arrive.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh returns the streams that arrive.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// forwardPackets counts packets. Like the network it drops what nobody takes any more;
// the inner transport is not left waiting while it shuts down.
func (t *transport) forwardPackets() {
	for {
		select {
		case <-t.stopped:
			return
		case p := <-t.NodeAwareTransport.PacketCh():
			t.received.packets.Add(uint64(len(p.Buf)))
			select {
			case t.packets <- p:
			case <-t.stopped:
				return
			}
		}
	}
}

// forwardStreams wraps the streams that others opened.
func (t *transport) forwardStreams() {
	for {
		select {
		case <-t.stopped:
			return
		case c := <-t.NodeAwareTransport.StreamCh():
			wrapped, err := t.wrap(c)
			if err != nil {
				continue
			}
			select {
			case t.streams <- wrapped:
			case <-t.stopped:
				_ = wrapped.Close()
				return
			}
		}
	}
}

// WriteTo sends a packet.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	t.sent.packets.Add(uint64(len(b)))
	return t.NodeAwareTransport.WriteTo(b, addr)
}

// WriteToAddress sends a packet.
func (t *transport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	t.sent.packets.Add(uint64(len(b)))
	return t.NodeAwareTransport.WriteToAddress(b, addr)
}

// DialTimeout opens a stream.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout opens a stream.
func (t *transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	c, err := t.NodeAwareTransport.DialAddressTimeout(addr, min(timeout, dialTimeout))
	if err != nil {
		return nil, err
	}
	return t.wrap(c)
}

// Shutdown ends the transport and all its streams.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	conns := t.conns
	t.conns = nil
	t.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
	err := t.NodeAwareTransport.Shutdown()
	close(t.stopped)
	t.wg.Wait()
	return err
}

// wrap puts a stream under the transport's care.
func (t *transport) wrap(c net.Conn) (*conn, error) {
	w := &conn{Conn: c, transport: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	t.conns[w] = struct{}{}
	return w, nil
}

// conn is a stream that counts its bytes and whose writes have deadlines.
type conn struct {
	net.Conn

	transport *transport
	mu        sync.Mutex
	limit     time.Time // the user's deadline for writes, zero if there is none
}

// Read reads from the stream.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.transport.received.streams.Add(uint64(n))
	return n, err
}

// Write writes to the stream, in the time of writeTimeout. A stream that cannot be
// written is closed at once: memberlist forgets to when it is the label that fails.
func (c *conn) Write(b []byte) (int, error) {
	deadline := time.Now().Add(writeTimeout)
	c.mu.Lock()
	if !c.limit.IsZero() && c.limit.Before(deadline) {
		deadline = c.limit
	}
	c.mu.Unlock()
	if err := c.Conn.SetWriteDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.transport.sent.streams.Add(uint64(n))
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// SetDeadline sets the deadline of reads and writes.
func (c *conn) SetDeadline(d time.Time) error {
	c.setLimit(d)
	return c.Conn.SetDeadline(d)
}

// SetWriteDeadline sets the deadline of writes.
func (c *conn) SetWriteDeadline(d time.Time) error {
	c.setLimit(d)
	return c.Conn.SetWriteDeadline(d)
}

func (c *conn) setLimit(d time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = d
}

// Close closes the stream.
func (c *conn) Close() error {
	c.transport.mu.Lock()
	delete(c.transport.conns, c)
	c.transport.mu.Unlock()
	return c.Conn.Close()
}
