package lbsync

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errRefused   = dialError(syscall.ECONNREFUSED)
	errNoRoute   = dialError(syscall.EHOSTUNREACH)
	errSlow      = &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	errFiles     = dialError(syscall.EMFILE)
	errPorts     = dialError(syscall.EADDRNOTAVAIL)
	errNoNetwork = dialError(syscall.ENETUNREACH)
	errAgain     = dialError(syscall.EAGAIN) // Which claims to be a time-out.
	errOdd       = errors.New("odd")
)

func dialError(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

// answers is a dial that gives one error after another; nil is a connection.
func answers(errs ...error) (dial dialFunc, dialed *atomic.Int32) {
	dialed = new(atomic.Int32)
	return func(context.Context, string, string) (net.Conn, error) {
		if err := errs[dialed.Add(1)-1]; err != nil {
			return nil, err
		}
		conn, _ := net.Pipe()
		return conn, nil
	}, dialed
}

// hang is a dial without an answer.
func hang(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
}

func TestLook(t *testing.T) {
	for _, tt := range []struct {
		name  string
		errs  []error
		alive bool
		took  time.Duration
	}{
		{"answers", []error{nil, nil}, true, time.Second},
		{"refuses", []error{errRefused, errRefused}, false, time.Second},
		{"unreachable", []error{errNoRoute, errSlow}, false, time.Second},
		{"timed out by the kernel", []error{dialError(syscall.ETIMEDOUT), errRefused}, false, time.Second},
		{"one lost packet", []error{errSlow, nil, nil}, true, 2 * time.Second},
		{"the third decides for death", []error{errRefused, nil, errRefused}, false, 2 * time.Second},
		{"the third decides for life", []error{nil, errRefused, nil}, true, 2 * time.Second},
		{"too many open files", []error{errFiles, errFiles}, true, time.Second},
		{"no ports left", []error{errPorts, errPorts}, true, time.Second},
		{"no network", []error{errNoNetwork, errNoNetwork}, true, time.Second},
		{"try again", []error{errAgain, errAgain}, true, time.Second},
		{"odd", []error{errOdd, errOdd}, true, time.Second},
		{"a local error proves nothing", []error{errRefused, errFiles, errFiles}, true, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, dialed := answers(tt.errs...)
				begun := time.Now()
				if alive := newProber(dial).look(t.Context(), hostAddr(1)); alive != tt.alive {
					t.Errorf("alive is %v", alive)
				}
				if took := time.Since(begun); took != tt.took || int(dialed.Load()) != len(tt.errs) {
					t.Errorf("%d tries took %v, want %d in %v", dialed.Load(), took, len(tt.errs), tt.took)
				}
			})
		})
	}
}

func TestLookGivesEachTryASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if newProber(hang).look(t.Context(), hostAddr(1)) {
			t.Error("alive")
		}
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLookEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		begun := time.Now()
		if !newProber(hang).look(ctx, hostAddr(1)) {
			t.Error("a look that was broken off proves nothing")
		}
		if took := time.Since(begun); took != 1500*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestLookIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most atomic.Int32
		p := newProber(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if n := under.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer under.Add(-1)
			return hang(ctx, network, addr)
		})
		begun := time.Now()
		var looks sync.WaitGroup
		for n := range 4 * probeParallel {
			looks.Go(func() {
				if p.look(t.Context(), hostAddr(n)) {
					t.Error("alive")
				}
			})
		}
		looks.Wait()
		if most.Load() != probeParallel {
			t.Errorf("%d tries at a time", most.Load())
		}
		if took := time.Since(begun); took != 8*time.Second { // Two tries of a second each, in four groups.
			t.Errorf("took %v", took)
		}
	})
}

func TestLookWaitsForASlotNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProber(func(context.Context, string, string) (net.Conn, error) { panic("no slot is free") })
		for range probeParallel {
			p.slots <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if !p.look(ctx, hostAddr(1)) {
			t.Error("dead")
		}
	})
}

func TestLookOnLoopback(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(listener.Addr().String())
	p := newProber(nil)
	if !p.look(t.Context(), addr) {
		t.Error("dead while it listens")
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if p.look(t.Context(), addr) {
		t.Error("alive although it is closed")
	}
}
