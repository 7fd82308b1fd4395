package lbsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"rollcall/registry/client"
)

// NewRegistrySource returns the Source that asks registry nodes, or etcd servers with the v2 API. It stays with the node
// that answers and goes on to the next when that one fails. A nil logger discards.
func NewRegistrySource(endpoints []string, logger *slog.Logger) (Source, error) {
	c, err := client.New(endpoints, client.Options{Rounds: 1, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("registry client: %w", err)
	}
	return &registrySource{client: c}, nil
}

type registrySource struct {
	client *client.Client
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

// Await makes a new watcher each time: the caller lists after every change, and has a newer index then.
func (r *registrySource) Await(ctx context.Context, prefix string, index uint64) error {
	_, err := r.client.Watch(prefix, client.WatchOptions{AfterIndex: index, Recursive: true}).Next(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case client.IsLostPlace(err):
		return ErrLostPlace
	}
	return fmt.Errorf("watch %s: %w", prefix, err)
}

// indexOf is the node's index at the time of its refusal.
func indexOf(err error) uint64 {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Index
	}
	return 0
}
