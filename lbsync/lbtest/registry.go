// Package lbtest helps to test a Syncer: a registry in memory, small web servers to balance, a log to look into.
package lbtest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"rollcall/lbsync"
)

// Registry is a lbsync.Source in memory. Its zero value is empty and ready for use.
type Registry struct {
	mu       sync.Mutex // guards what follows
	entries  map[string]map[string]string
	index    uint64
	failures map[string]error
	changed  chan struct{} // closed at the next change; nil while nobody waits
	lists    int
}

// Set puts an entry under a prefix.
func (r *Registry) Set(prefix, key, value string) {
	r.change(func() {
		if r.entries == nil {
			r.entries = map[string]map[string]string{}
		}
		if r.entries[prefix] == nil {
			r.entries[prefix] = map[string]string{}
		}
		r.entries[prefix][key] = value
	})
}

// Delete removes an entry.
func (r *Registry) Delete(prefix, key string) {
	r.change(func() { delete(r.entries[prefix], key) })
}

// Fail makes every request for a prefix fail from now on; nil ends that.
func (r *Registry) Fail(prefix string, err error) {
	r.change(func() {
		if r.failures == nil {
			r.failures = map[string]error{}
		}
		r.failures[prefix] = err
	})
}

// Lists counts the listings.
func (r *Registry) Lists() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists
}

func (r *Registry) change(apply func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	apply()
	r.index++
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// List is lbsync.Source's. The order of entries is random, so that nobody comes to rely on one.
func (r *Registry) List(_ context.Context, prefix string) (lbsync.Listing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists++
	if err := r.failures[prefix]; err != nil {
		return lbsync.Listing{}, err
	}
	l := lbsync.Listing{Index: r.index}
	for _, key := range slices.Collect(maps.Keys(r.entries[prefix])) {
		l.Entries = append(l.Entries, lbsync.Entry{Key: key, Value: r.entries[prefix][key]})
	}
	return l, nil
}

// Await is lbsync.Source's.
func (r *Registry) Await(ctx context.Context, prefix string, index uint64) error {
	for {
		changed, err := r.next(prefix, index)
		if changed == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next returns a channel to wait for, or nil when there is no need to wait.
func (r *Registry) next(prefix string, index uint64) (<-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failures[prefix]; err != nil || r.index > index {
		return nil, err
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed, nil
}
