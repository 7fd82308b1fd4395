package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// put writes a key and fails the test when the store refuses.
func put(tb testing.TB, s *Store, key Key, o PutOptions) *Event {
	tb.Helper()
	e, err := s.Put(key, o)
	if err != nil {
		tb.Fatalf("put %s %+v: %v", key, o, err)
	}
	return e
}

// file returns the options that write a value without a lease.
func file(value string) PutOptions { return PutOptions{Value: value} }

// putLeased returns the options that write a value with a lease.
func putLeased(value string, ttl time.Duration) PutOptions { return PutOptions{Value: value, TTL: ttl} }

// remove deletes a key with all below it and fails the test when the store refuses.
func remove(tb testing.TB, s *Store, key Key) *Event {
	tb.Helper()
	e, err := s.Delete(key, DeleteOptions{Recursive: true})
	if err != nil {
		tb.Fatalf("delete %s: %v", key, err)
	}
	return e
}

// watch begins a watch that ends with the test.
func watch(tb testing.TB, s *Store, key Key, o WatchOptions) *Watch {
	tb.Helper()
	w, err := s.Watch(key, o)
	if err != nil {
		tb.Fatalf("watch %s %+v: %v", key, o, err)
	}
	tb.Cleanup(w.Close)
	return w
}

// unread returns what a watch has to tell now, without waiting.
func unread(w *Watch) ([]*Event, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var events []*Event
	for {
		n, err := w.Next(ctx)
		switch {
		case errors.Is(err, context.Canceled):
			return events, nil
		case err != nil:
			return events, err
		}
		events = append(events, n.Event)
	}
}

// told renders what a watch has to tell now, as "action key" lines.
func told(tb testing.TB, w *Watch) []string {
	tb.Helper()
	events, err := unread(w)
	if err != nil {
		tb.Fatalf("watch %s: %v", w.key, err)
	}
	return names(events)
}

// names renders events as "action key" lines.
func names(events []*Event) []string {
	lines := []string{}
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%v %s", e.Action, e.Node.Key))
	}
	return lines
}

// published returns the events after an index that the history has kept, whomever
// they concern.
func published(s *Store, after uint64) []*Event {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var events []*Event
	for _, r := range s.history.rings {
		for i := range r.n {
			if e := r.at(i); e.Index() > after {
				events = append(events, e)
			}
		}
	}
	slices.SortFunc(events, func(a, b *Event) int { return cmp.Compare(a.Index(), b.Index()) })
	return events
}

// refusal renders an error as "code cause", "" for none.
func refusal(tb testing.TB, err error) string {
	tb.Helper()
	if err == nil {
		return ""
	}
	refused, ok := errors.AsType[*Error](err)
	if !ok {
		tb.Fatalf("%v is no *Error", err)
	}
	return fmt.Sprintf("%d %s", int(refused.Code), refused.Cause)
}

// listed returns the keys of a listing in the order in which it shows them.
func listed(tb testing.TB, s *Store, key Key, o GetOptions) []Key {
	tb.Helper()
	r, err := s.Get(key, o)
	if err != nil {
		tb.Fatalf("get %s: %v", key, err)
	}
	keys := []Key{}
	var visit func(entries []Listing)
	visit = func(entries []Listing) {
		for _, entry := range entries {
			keys = append(keys, entry.Key)
			visit(entry.Entries)
		}
	}
	visit(r.Entries)
	return keys
}
