package lbsync

import (
	"context"
	"testing"
)

// listOnly is a registry of one moment.
type listOnly struct {
	Source
	listing Listing
}

func (l listOnly) List(context.Context, string) (Listing, error) { return l.listing, nil }

// Between a listing and the decision that is made of it the pool is still that of an earlier run, or empty: a balancer must not
// be brought to it.
func TestPoolCountsWhenTheListingIsInIt(t *testing.T) {
	for name, remembered := range map[string][]string{"first run": nil, "later run": {"10.0.1.9:80"}} {
		t.Run(name, func(t *testing.T) {
			o, err := Options{Targets: []Target{{}}, Source: listOnly{listing: Listing{
				Index: 7, Entries: []Entry{{Key: "fe1", Value: "10.0.1.1"}},
			}}}.withDefaults(&Config{})
			if err != nil {
				t.Fatal(err)
			}
			s := newService("a", Service{Prefix: "/a", Port: 80}, o)
			signal := make(chan struct{}, 1)
			s.watch = append(s.watch, signal)
			saved := savedService{index: 5}
			for _, value := range remembered {
				server, err := ParseValue(value, 0)
				if err != nil {
					t.Fatal(err)
				}
				saved.hosts = append(saved.hosts, candidate{key: "fe1", server: server})
			}
			s.remember(saved)
			if err := s.list(t.Context()); err != nil {
				t.Fatal(err)
			}
			if snap := s.snapshot(); snap.known {
				t.Errorf("before the decision the pool counts: %+v", snap.pool)
			}
			select {
			case <-signal:
			default:
			}
			s.decide(t.Context(), nil)
			if snap := s.snapshot(); !snap.known || len(snap.pool.Servers) == 0 || len(signal) != 1 {
				t.Errorf("after it: %+v, %d signals", snap, len(signal))
			}
		})
	}
}
