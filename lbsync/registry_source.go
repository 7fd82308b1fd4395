package lbsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"rollcall/registry/client"
)

// NewRegistrySource returns the Source that asks registry nodes, or etcd servers with the v2 API. It stays with the node
// that answers and goes on to the next when that one fails. It sets Rounds itself.
func NewRegistrySource(endpoints []string, opts client.Options) (Source, error) {
	opts.Rounds = 1
	c, err := client.New(endpoints, opts)
	if err != nil {
		return nil, fmt.Errorf("registry client: %w", err)
	}
	return &registrySource{client: c, watchers: map[string]*client.Watcher{}}, nil
}

// configured returns the Source of a configuration.
func configured(cfg *Config, logger *slog.Logger) (Source, error) {
	conf, err := client.TLSFiles(cfg.TLS).Config()
	if err != nil {
		return nil, fmt.Errorf("registry %w", err)
	}
	return NewRegistrySource(cfg.Endpoints, client.Options{TLS: conf, Logger: logger})
}

type registrySource struct {
	client *client.Client

	mu       sync.Mutex                 // guards watchers
	watchers map[string]*client.Watcher // by prefix; each is used by the one goroutine that follows the prefix
}

func (r *registrySource) List(ctx context.Context, prefix string) (Listing, error) {
	resp, err := r.client.Get(ctx, prefix, client.GetOptions{Recursive: true})
	if client.IsNotFound(err) {
		return Listing{Index: indexOf(err)}, nil
	}
	if err != nil {
		return Listing{}, fmt.Errorf("list %s: %w", prefix, err)
	}
	if resp.Node == nil || !resp.Node.Dir {
		return Listing{}, fmt.Errorf("list %s: not a directory", prefix)
	}
	listing := Listing{Index: resp.Index}
	appendEntries(&listing.Entries, resp.Node, strings.TrimSuffix(prefix, "/")+"/")
	return listing, nil
}

// appendEntries collects the files below a directory.
func appendEntries(to *[]Entry, dir *client.Node, prefix string) {
	for _, n := range dir.Nodes {
		switch {
		case n == nil:
		case n.Dir:
			appendEntries(to, n, prefix)
		default:
			*to = append(*to, Entry{Key: strings.TrimPrefix(n.Key, prefix), Value: n.Value})
		}
	}
}

// Next goes on with the watcher of the last call when that is where the caller is: it stays with the node whose index
// it is.
func (r *registrySource) Next(ctx context.Context, prefix string, index uint64) (Change, error) {
	w := r.watcher(prefix, index)
	resp, err := w.Next(ctx)
	switch {
	case err == nil:
		return changeOf(resp, prefix), nil
	case ctx.Err() != nil:
		return Change{}, ctx.Err()
	case client.IsLostPlace(err):
		r.forget(prefix)
		return Change{}, ErrLostPlace
	}
	return Change{}, fmt.Errorf("watch %s: %w", prefix, err)
}

func (r *registrySource) watcher(prefix string, index uint64) *client.Watcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.watchers[prefix]
	if w == nil || w.After() != index {
		w = r.client.Watch(prefix, client.WatchOptions{AfterIndex: index, Recursive: true})
		r.watchers[prefix] = w
	}
	return w
}

// forget drops a watcher that has lost its place: it never asks again, and the next listing may have the same index.
func (r *registrySource) forget(prefix string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watchers, prefix)
}

func changeOf(resp *client.Response, prefix string) Change {
	c := Change{Index: resp.Node.ModifiedIndex, Dir: resp.Node.Dir || resp.PrevNode != nil && resp.PrevNode.Dir}
	c.Key = strings.TrimPrefix(strings.TrimPrefix(resp.Node.Key, strings.TrimSuffix(prefix, "/")), "/")
	c.Value = resp.Node.Value
	switch resp.Action {
	case client.ActionDelete, client.ActionCompareAndDelete:
		c.Kind = ChangeDeleted
	case client.ActionExpire:
		c.Kind = ChangeExpired
	case client.ActionSet, client.ActionCreate, client.ActionUpdate, client.ActionCompareAndSwap:
		c.Kind = ChangeSet
	}
	switch {
	case c.Kind != ChangeSet || !resp.Node.Dir && c.Key != "":
	case resp.Node.Dir && (resp.PrevNode == nil || resp.PrevNode.Dir):
		c.Kind = ChangeNone // A directory's own lease; below it nothing is different.
	default:
		c.Kind = ChangeOther
	}
	return c
}

// Put sets a key with a lease.
func (r *registrySource) Put(ctx context.Context, key, value string, ttl time.Duration) error {
	_, err := r.client.Set(ctx, key, value, client.SetOptions{TTL: ttl, NoValueOnSuccess: true})
	if err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return nil
}

// indexOf is the node's index at the time of its refusal.
func indexOf(err error) uint64 {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Index
	}
	return 0
}
