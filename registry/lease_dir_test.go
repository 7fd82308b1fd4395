package registry

import (
	"slices"
	"testing"
	"time"
)

func TestDirectoryExpires(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		put(t, s, "/d", PutOptions{Dir: true, TTL: 5 * time.Second})
		put(t, s, "/d/x", file("1"))
		put(t, s, "/d/y/z", putLeased("1", time.Hour))
		put(t, s, "/d/soon", putLeased("1", 2*time.Second))
		put(t, s, "/dd", file("1"))
		all := watch(t, s, "/", WatchOptions{Recursive: true, Stream: true})
		leaf := watch(t, s, "/d/y/z", WatchOptions{Stream: true})
		pass(5*time.Second - 1)
		if got := listed(t, s, "/", GetOptions{Recursive: true}); !slices.Equal(got, []Key{"/d", "/d/x", "/d/y", "/d/y/z", "/dd"}) {
			t.Errorf("before the deadline: %v", got)
		}
		pass(1)
		if got := listed(t, s, "/", GetOptions{Recursive: true}); !slices.Equal(got, []Key{"/dd"}) {
			t.Errorf("after the deadline: %v", got)
		}
		want(t, all, "expire /d/soon", "expire /d")
		want(t, leaf, "expire /d")
		if got := s.Stats(); got.Leases != 0 || got.Files != 1 || got.Dirs != 0 || got.Expirations != 2 {
			t.Errorf("left: %+v", got)
		}
		pass(2 * time.Hour)
		want(t, all)
	})
}

// TestDirectoryLeaseIsRenewed keeps a directory and what is in it by heartbeats.
func TestDirectoryLeaseIsRenewed(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		o := PutOptions{Dir: true, TTL: 5 * time.Second}
		made := put(t, s, "/d", o)
		put(t, s, "/d/x", file("1"))
		o.Exist = MustExist
		for range 10 {
			pass(4 * time.Second)
			if e := put(t, s, "/d", o); e.Action != Update || e.Index() != s.Index() {
				t.Errorf("%v with index %d of %d", e.Action, e.Index(), s.Index())
			}
		}
		r, err := s.Get("/d", GetOptions{})
		if err != nil || r.ModifiedIndex != made.Index() || len(r.Entries) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.TTLSeconds(time.Now()) != 5 {
			t.Errorf("the listing shows %d s", r.TTLSeconds(time.Now()))
		}
		pass(5 * time.Second)
		if exists(s, "/d/x") {
			t.Error("outlives its directory")
		}
	})
}
