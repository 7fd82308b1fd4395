// Package ports finds free ports for servers that tests and benchmarks start.
package ports

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// Ports are taken from below those that the kernel gives to whoever asks for any: one of those could be given to another
// program before ours listens on it.
const first, last = 11_000, 29_000

// tried counts from a random port, so that two programs do not try the same ones.
var tried atomic.Uint32

func init() { tried.Store(rand.Uint32N(last - first)) }

// Free is a port that is free on all addresses of the machine, and that was not returned before.
func Free(ctx context.Context) (uint16, error) {
	var latest error
	for range 100 {
		port := uint16(first + tried.Add(1)%(last-first))
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
		if err == nil {
			return port, l.Close()
		}
		latest = err
	}
	return 0, fmt.Errorf("find a free port: %w", latest)
}

// FreeAddr is such a port on the loopback, as HOST:PORT.
func FreeAddr(ctx context.Context) (string, error) {
	port, err := Free(ctx)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
