// Package lbtest helps to test a Syncer: a registry in memory, small web servers to balance, a log to look into.
package lbtest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"rollcall/lbsync"
)

// Registry is a lbsync.Source in memory. Its zero value is empty and ready for use.
type Registry struct {
	mu       sync.Mutex // guards what follows
	entries  map[string]map[string]string
	index    uint64
	history  []change
	oldest   uint64 // changes up to this index are forgotten
	reports  map[string]string
	puts     int
	failures map[string]error
	changed  chan struct{} // closed at the next change; nil while nobody waits
	lists    int
}

// A change is remembered, so that a watch can begin in the past.
type change struct {
	prefix string
	lbsync.Change
}

// Set puts an entry under a prefix.
func (r *Registry) Set(prefix, key, value string) {
	r.change(prefix, lbsync.Change{Kind: lbsync.ChangeSet, Entry: lbsync.Entry{Key: key, Value: value}})
}

// Delete removes an entry on purpose.
func (r *Registry) Delete(prefix, key string) {
	r.change(prefix, lbsync.Change{Kind: lbsync.ChangeDeleted, Entry: lbsync.Entry{Key: key}})
}

// Expire ends an entry's lease.
func (r *Registry) Expire(prefix, key string) {
	r.change(prefix, lbsync.Change{Kind: lbsync.ChangeExpired, Entry: lbsync.Entry{Key: key}})
}

// Forget loses entries and all memory of changes, as a registry that was restarted does. Watches lose their place.
func (r *Registry) Forget(prefix string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, prefix)
	r.index += 100
	r.history, r.oldest = nil, r.index
	r.wakeLocked()
}

// Fail makes every request for a prefix fail from now on; nil ends that.
func (r *Registry) Fail(prefix string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == nil {
		r.failures = map[string]error{}
	}
	r.failures[prefix] = err
	r.wakeLocked()
}

// Lists counts the listings.
func (r *Registry) Lists() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists
}

// Reports returns what was put, by key.
func (r *Registry) Reports() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.reports)
}

// Puts counts what was put.
func (r *Registry) Puts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.puts
}

func (r *Registry) change(prefix string, c lbsync.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries == nil {
		r.entries = map[string]map[string]string{}
	}
	if r.entries[prefix] == nil {
		r.entries[prefix] = map[string]string{}
	}
	if c.Kind == lbsync.ChangeSet {
		r.entries[prefix][c.Key] = c.Value
	} else {
		delete(r.entries[prefix], c.Key)
	}
	r.index++
	c.Index = r.index
	r.history = append(r.history, change{prefix: prefix, Change: c})
	r.wakeLocked()
}

func (r *Registry) wakeLocked() {
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

// Next is lbsync.Source's.
func (r *Registry) Next(ctx context.Context, prefix string, index uint64) (lbsync.Change, error) {
	for {
		c, changed, err := r.next(prefix, index)
		if changed == nil {
			return c, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return lbsync.Change{}, ctx.Err()
		}
	}
}

// next returns a channel to wait for, or nil when there is no need to wait.
func (r *Registry) next(prefix string, index uint64) (lbsync.Change, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.failures[prefix]; err != nil {
		return lbsync.Change{}, nil, err
	}
	if index < r.oldest {
		return lbsync.Change{}, nil, lbsync.ErrLostPlace
	}
	for _, c := range r.history {
		if c.prefix == prefix && c.Index > index {
			return c.Change, nil, nil
		}
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return lbsync.Change{}, r.changed, nil
}

// Put is lbsync.Source's. Leases do not run out here.
func (r *Registry) Put(_ context.Context, key, value string, _ time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reports == nil {
		r.reports = map[string]string{}
	}
	r.reports[key] = value
	r.puts++
	return nil
}
