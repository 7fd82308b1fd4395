package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
	"rollcall/registry/client"
)

// prefix is the directory of the registry in which hosts register.
const prefix = "/frontends"

// A registry is one node, as a process, and a client of it.
type registry struct {
	*process
	url    string
	client *client.Client
}

func (b *bench) startRegistry(ctx context.Context, dir string) (*registry, error) {
	addr, err := ports.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	r := &registry{url: "http://" + addr}
	if r.client, err = client.New([]string{r.url}, client.Options{}); err != nil {
		return nil, err
	}
	r.process, err = launch(ctx, "the registry", filepath.Join(dir, "registry.log"), b.registry, "serve", "--name", "bench", "--listen", addr)
	if err != nil {
		return nil, err
	}
	err = r.waitReady(ctx, func() (bool, error) {
		_, err := r.client.Get(ctx, "/", client.GetOptions{})
		return err == nil, err
	})
	if err != nil {
		r.stop()
	}
	return r, err
}

func (r *registry) stop() {
	r.client.Close()
	r.process.stop()
}

// keyOf is the key of the host with an address; colons are not for keys.
func keyOf(addr string) string {
	return prefix + "/fe-" + strings.NewReplacer(".", "-", ":", "-").Replace(addr)
}

// put registers a host, or says that it is still there. ttl 0 is for good.
func (r *registry) put(ctx context.Context, addr string, ttl time.Duration) error {
	_, err := r.client.Set(ctx, keyOf(addr), addr, client.SetOptions{TTL: ttl})
	return err
}

// remove takes a host out on purpose.
func (r *registry) remove(ctx context.Context, addr string) error {
	_, err := r.client.Delete(ctx, keyOf(addr), client.DeleteOptions{})
	return err
}

// list returns the registered addresses.
func (r *registry) list(ctx context.Context) ([]string, error) {
	resp, err := r.client.Get(ctx, prefix, client.GetOptions{Recursive: true})
	if err != nil {
		return nil, err
	}
	if resp.Node == nil {
		return nil, fmt.Errorf("list %s: an answer without a node", prefix)
	}
	var addrs []string
	for _, n := range resp.Node.Nodes {
		addrs = append(addrs, n.Value)
	}
	return addrs, nil
}

// putAll registers many hosts, a few at a time.
func (r *registry) putAll(ctx context.Context, addrs []string, ttl time.Duration) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, addr := range addrs {
		group.Go(func() error { return r.put(ctx, addr, ttl) })
	}
	return group.Wait()
}

// beat renews hosts, each once per period and spread over it, until ctx ends or alive says no for one.
func (r *registry) beat(ctx context.Context, addrs []string, ttl, period time.Duration, alive func(string) bool) error {
	step := period / time.Duration(len(addrs))
	start := time.Now()
	for i := 0; ; i++ {
		if err := kit.Pause(ctx, time.Until(start.Add(time.Duration(i)*step))); err != nil {
			return nil //nolint:nilerr // The end of the context is the end of the beats.
		}
		addr := addrs[i%len(addrs)]
		if !alive(addr) {
			continue
		}
		if err := r.put(ctx, addr, ttl); err != nil && ctx.Err() == nil {
			return fmt.Errorf("heartbeat: %w", err)
		}
	}
}
