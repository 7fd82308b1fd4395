package lbsync

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// probeTries and probeFailures: a host is dead when so many of so many tries fail. One lost packet proves nothing.
	probeTries    = 3
	probeFailures = 2
	// probePause is the time from the beginning of one try to that of the next, and the longest that a try may take.
	probePause = time.Second
	// probeParallel bounds the tries under way: a lost registry may hold thousands of hosts at once.
	probeParallel = 64
)

// A dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// A prober looks whether hosts accept connections. It is safe for concurrent use.
type prober struct {
	dial  dialFunc
	slots chan struct{}
}

// newProber makes a prober; a nil dial means the network.
func newProber(dial dialFunc) *prober {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return &prober{dial: dial, slots: make(chan struct{}, probeParallel)}
}

// look tells whether the host is alive, as far as this can be told: two of three tries, one second apart, must prove that it
// is not. It is alive too when ctx ends first, since nothing is proven then.
func (p *prober) look(ctx context.Context, addr netip.AddrPort) bool {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for answers, failures := 0, 0; ; {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return true
		}
		begun, dead := p.try(ctx, addr)
		if dead {
			failures++
		} else {
			answers++
		}
		if failures == probeFailures || answers > probeTries-probeFailures {
			return failures < probeFailures
		}
		pause.Reset(time.Until(begun.Add(probePause)))
	}
}

// try waits for a slot and makes one try, which tells when it began and whether it proves the host dead.
func (p *prober) try(ctx context.Context, addr netip.AddrPort) (begun time.Time, dead bool) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return time.Now(), false
	}
	begun = time.Now()
	short, cancel := context.WithTimeout(ctx, probePause)
	defer cancel()
	conn, err := p.dial(short, "tcp", addr.String())
	if err == nil {
		_ = conn.Close() // It was opened, which is the answer.
		return begun, false
	}
	return begun, ctx.Err() == nil && provesDeath(err)
}

// provesDeath tells whether the error says something of the host. Errors of this machine, such as too many open files or no
// route to any such network, do not.
func provesDeath(err error) bool {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno == syscall.ECONNREFUSED || errno == syscall.EHOSTUNREACH || errno == syscall.ETIMEDOUT
	}
	netErr, ok := errors.AsType[net.Error](err)
	return ok && netErr.Timeout()
}
