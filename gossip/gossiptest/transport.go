package gossiptest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// packetBuffer is how many packets wait at a node. More are lost, as in a kernel.
	packetBuffer = 4096
	// streamBuffer is how many streams wait to be accepted.
	streamBuffer = 1024
)

// errRefused is the error of a stream to where nobody listens.
var errRefused = errors.New("connection refused")

// addr is the address of a node.
type addr string

// Network names the network.
func (addr) Network() string { return "memory" }

// String returns HOST:PORT.
func (a addr) String() string { return string(a) }

// Transport is one node's access to the network.
type Transport struct {
	net  *Network
	addr string

	packets chan *memberlist.Packet
	streams chan net.Conn
	stopped chan struct{}

	mu    sync.Mutex
	down  bool
	conns map[*Conn]struct{}
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

// Transport puts a node on the network at an address, IP:PORT. It takes the place of one
// that was there before.
func (n *Network) Transport(address string) *Transport {
	t := &Transport{
		net: n, addr: address,
		packets: make(chan *memberlist.Packet, packetBuffer),
		streams: make(chan net.Conn, streamBuffer),
		stopped: make(chan struct{}),
		conns:   make(map[*Conn]struct{}),
	}
	n.change(func() { n.transports[address] = t })
	return t
}

// Addr returns the transport's address.
func (t *Transport) Addr() string { return t.addr }

// FinalAdvertiseAddr returns the transport's address.
func (t *Transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	a, err := netip.ParseAddrPort(t.addr)
	if err != nil {
		return nil, 0, err
	}
	return a.Addr().AsSlice(), int(a.Port()), nil
}

// PacketCh returns the packets that arrive.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh returns the streams that arrive.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo sends a packet.
func (t *Transport) WriteTo(b []byte, to string) (time.Time, error) {
	now := time.Now()
	if t.isDown() {
		return now, net.ErrClosed
	}
	l := link{t.addr, to}
	n := t.net
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count(t.addr).Sent += uint64(len(b))
	f := n.faultsOf(l)
	if n.cuts[l] != 0 || n.chance(f.Loss) {
		return now, nil
	}
	n.sendPacket(l, append([]byte(nil), b...), n.delay(f))
	if n.chance(f.Repeat) {
		n.sendPacket(l, append([]byte(nil), b...), n.delay(f))
	}
	return now, nil
}

// WriteToAddress sends a packet.
func (t *Transport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, to.Addr)
}

// sendPacket lets a packet arrive later. The lock must be held.
func (n *Network) sendPacket(l link, b []byte, delay time.Duration) {
	time.AfterFunc(delay, func() { n.deliver(l, b) })
}

// deliver lets a packet arrive, or wait while its sender or receiver is paused.
func (n *Network) deliver(l link, b []byte) {
	for {
		n.mu.Lock()
		t, changed := n.transports[l.to], n.changed
		held := n.paused[l.from] || n.paused[l.to]
		if !held && t != nil {
			n.count(l.to).Received += uint64(len(b))
		}
		n.mu.Unlock()
		if t == nil {
			return
		}
		if !held {
			t.accept(l, b)
			return
		}
		select {
		case <-changed:
		case <-t.stopped:
			return
		}
	}
}

func (t *Transport) accept(l link, b []byte) {
	select {
	case t.packets <- &memberlist.Packet{Buf: b, From: addr(l.from), Timestamp: time.Now()}:
	default:
	}
}

// DialTimeout opens a stream.
func (t *Transport) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	c, err := t.dial(to, timeout)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: addr(to), Err: err}
	}
	return c, nil
}

// DialAddressTimeout opens a stream.
func (t *Transport) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(to.Addr, timeout)
}

func (t *Transport) dial(to string, timeout time.Duration) (net.Conn, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	there, back := link{t.addr, to}, link{to, t.addr}
	trip := time.NewTimer(t.net.streamDelay(there) + t.net.streamDelay(back))
	defer trip.Stop()
	select {
	case <-trip.C:
	case <-deadline.C:
		return nil, os.ErrDeadlineExceeded
	case <-t.stopped:
		return nil, net.ErrClosed
	}
	for {
		ok, changed := t.net.flows(there)
		ok2, _ := t.net.flows(back)
		if ok && ok2 {
			return t.connect(there)
		}
		select {
		case <-changed:
		case <-deadline.C:
			return nil, os.ErrDeadlineExceeded
		case <-t.stopped:
			return nil, net.ErrClosed
		}
	}
}

// connect opens a stream on a way that is free.
func (t *Transport) connect(l link) (net.Conn, error) {
	n := t.net
	n.mu.Lock()
	peer, f := n.transports[l.to], n.faultsOf(l)
	fails, loses := n.chance(f.DialLoss), n.chance(f.StreamLoss)
	n.mu.Unlock()
	if fails {
		return nil, os.ErrDeadlineExceeded
	}
	if peer == nil || peer.isDown() {
		return nil, errRefused
	}
	near, far := newConns(n, l)
	if !t.keep(near) {
		return nil, net.ErrClosed
	}
	if loses {
		far.lose()
		return near, nil
	}
	if !peer.keep(far) {
		_ = near.Close()
		return nil, errRefused
	}
	select {
	case peer.streams <- far:
		return near, nil
	default:
		_ = near.Close()
		_ = far.Close()
		return nil, fmt.Errorf("%w: too many streams", errRefused)
	}
}

// keep lets a stream end with the transport.
func (t *Transport) keep(c *Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down {
		return false
	}
	t.conns[c] = struct{}{}
	c.forget = func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.conns, c)
	}
	return true
}

func (t *Transport) isDown() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.down
}

// Shutdown takes the node off the network. Its streams break.
func (t *Transport) Shutdown() error {
	t.mu.Lock()
	if t.down {
		t.mu.Unlock()
		return nil
	}
	t.down = true
	conns := t.conns
	t.conns = make(map[*Conn]struct{})
	t.mu.Unlock()
	close(t.stopped)
	for c := range conns {
		c.reset()
	}
	t.net.change(func() {
		if t.net.transports[t.addr] == t {
			delete(t.net.transports, t.addr)
		}
	})
	return nil
}
