package registry

import (
	"slices"
	"testing"
	"time"
)

// TestRenewalsWakeNobody shows what is no event, and what is one after all.
func TestRenewalsWakeNobody(t *testing.T) {
	const ttl = time.Hour
	tests := []struct {
		name   string
		before PutOptions
		then   PutOptions
		silent bool
	}{
		{"same value and TTL", putLeased("1", ttl), putLeased("1", ttl), true},
		{"update, same value and TTL", putLeased("1", ttl), PutOptions{Value: "1", TTL: ttl, Exist: MustExist}, true},
		{"compare and swap, same value and TTL", putLeased("1", ttl), PutOptions{Value: "1", TTL: ttl, PrevValue: "1"}, true},
		{"directory update, same TTL", PutOptions{Dir: true, TTL: ttl}, PutOptions{Dir: true, TTL: ttl, Exist: MustExist}, true},
		{"another value", putLeased("1", ttl), putLeased("2", ttl), false},
		{"another TTL", putLeased("1", ttl), putLeased("1", 2*ttl), false},
		{"TTL removed", putLeased("1", ttl), file("1"), false},
		{"TTL given", file("1"), putLeased("1", ttl), false},
		{"no TTL at all", file("1"), file("1"), false},
		{"file becomes directory", putLeased("", ttl), PutOptions{Dir: true, TTL: ttl}, false},
		{"directory update, another TTL", PutOptions{Dir: true, TTL: ttl}, PutOptions{Dir: true, TTL: 2 * ttl, Exist: MustExist}, false},
	}
	for _, tt := range tests {
		for _, renewalEvents := range []bool{false, true} {
			s := New(Options{RenewalEvents: renewalEvents})
			first := put(t, s, "/d/x", tt.before)
			w := watch(t, s, "/d", WatchOptions{Recursive: true, Stream: true})
			second := put(t, s, "/d/x", tt.then)
			silent := tt.silent && !renewalEvents
			if got := told(t, w); len(got) == 0 != silent {
				t.Errorf("%s, renewal events %v: watch is told %q", tt.name, renewalEvents, got)
			}
			if got := len(published(s, first.Index())); (got == 0) != silent {
				t.Errorf("%s, renewal events %v: history has %d", tt.name, renewalEvents, got)
			}
			if second.Prev == nil || second.Index() <= first.Index() || second.Index() != s.Index() {
				t.Errorf("%s, renewal events %v: the answer is %+v", tt.name, renewalEvents, second)
			}
		}
	}
}

// TestRefreshIsNoEvent holds in etcd and therefore with RenewalEvents too.
func TestRefreshIsNoEvent(t *testing.T) {
	s := New(Options{RenewalEvents: true})
	put(t, s, "/a", putLeased("1", time.Hour))
	w := watch(t, s, "/a", WatchOptions{Stream: true})
	e := put(t, s, "/a", PutOptions{Refresh: true, TTL: time.Minute})
	want(t, w)
	if e.Node.Value != "1" || e.Node.TTL() != time.Minute || e.Action != Set || s.Stats().Renewals != 1 {
		t.Errorf("refresh answers %v %+v", e.Action, e.Node)
	}
	next := put(t, s, "/a", file("2"))
	got, err := unread(watch(t, s, "/a", WatchOptions{Since: e.Index()}))
	if err != nil || !slices.Equal(got, []*Event{next}) {
		t.Errorf("from the refresh on: %v, %v", names(got), err)
	}
}
