package kit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// Pause waits, unless ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// Ports are taken from below those that the kernel gives to whoever asks for any: one of those could be given to another
// program before ours listens on it.
const firstPort, lastPort = 11_000, 29_000

// Ports hands out free ports, none of them twice.
type Ports struct{ tried int }

// NewPorts begins at a random port, so that two programs do not try the same ones.
func NewPorts() *Ports { return &Ports{tried: rand.N(lastPort - firstPort)} }

// Free is a port that is free on all addresses of the machine.
func (p *Ports) Free(ctx context.Context) (uint16, error) {
	var last error
	for range 100 {
		p.tried++
		port := firstPort + p.tried%(lastPort-firstPort)
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
		if err == nil {
			return uint16(port), l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

// FreeAddr is such a port on the loopback, as HOST:PORT.
func (p *Ports) FreeAddr(ctx context.Context) (string, error) {
	port, err := p.Free(ctx)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
