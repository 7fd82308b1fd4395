package lbsync

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// nameAge is how long an answer serves before it is asked for again.
	nameAge = 30 * time.Second
	// namelessAge is the same for a name that has no address.
	namelessAge = 5 * time.Second
	// nameTimeout bounds one lookup: a dead name server must not keep a pool waiting for longer than a change may take.
	nameTimeout = 300 * time.Millisecond
	// nameParallel bounds the lookups under way at one time.
	nameParallel = 16
)

// A Resolver looks up host names; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// names remembers the addresses of host names. A name that can no longer be resolved keeps its last address: trouble with
// DNS takes no server out. It is used by one goroutine at a time.
type names struct {
	resolver Resolver
	now      func() time.Time
	known    map[string]resolved
}

type resolved struct {
	ip netip.Addr
	at time.Time
}

func (r resolved) maxAge() time.Duration {
	if r.ip.IsValid() {
		return nameAge
	}
	return namelessAge
}

// refresh looks up the hosts whose answers are old and forgets all others.
func (n *names) refresh(ctx context.Context, hosts []string) {
	known := make(map[string]resolved, len(hosts))
	var mu sync.Mutex // guards known
	var group errgroup.Group
	group.SetLimit(nameParallel)
	for _, host := range hosts {
		old, ok := n.known[host]
		if ok && n.now().Sub(old.at) < old.maxAge() {
			mu.Lock()
			known[host] = old
			mu.Unlock()
			continue
		}
		group.Go(func() error {
			answer := resolved{ip: n.ask(ctx, host, old.ip), at: n.now()}
			mu.Lock()
			defer mu.Unlock()
			known[host] = answer
			return nil
		})
	}
	_ = group.Wait() // No lookup returns an error: a name without an answer is an invalid address.
	n.known = known
}

// ask returns the address to use: the old one while the name still has it or cannot be resolved, else the smallest.
func (n *names) ask(ctx context.Context, host string, old netip.Addr) netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	found, err := n.resolver.LookupNetIP(ctx, "ip", host)
	usable := found[:0:0]
	for _, ip := range found {
		if ip = ip.Unmap(); allowed(ip) {
			usable = append(usable, ip)
		}
	}
	if err != nil || len(usable) == 0 || slices.Contains(usable, old) {
		return old
	}
	return slices.MinFunc(usable, netip.Addr.Compare)
}

func (n *names) lookup(host string) (netip.Addr, bool) {
	r := n.known[host]
	return r.ip, r.ip.IsValid()
}

// incomplete tells whether some host has no address.
func (n *names) incomplete() bool {
	for _, r := range n.known {
		if !r.ip.IsValid() {
			return true
		}
	}
	return false
}
