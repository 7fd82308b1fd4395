package registry

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestManyLeases ends far more leases at once than a batch holds.
func TestManyLeases(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		const n, groups = 10_000, 4
		w := watch(t, s, "/d", WatchOptions{Recursive: true, Stream: true})
		seen := 0
		for i := range n {
			put(t, s, Key(fmt.Sprintf("/d/k%04d", i)), putLeased("", time.Duration(1+i%groups)*time.Second))
			if i%1000 == 999 {
				seen += len(told(t, w))
			}
		}
		for group := range groups {
			left := n - n/groups*(group+1)
			pass(time.Second - 1)
			exists(s, "/d")
			if got := s.Stats().Leases; got != left+n/groups {
				t.Errorf("%d leases just before the deadline, want %d", got, left+n/groups)
			}
			pass(1)
			exists(s, "/d")
			seen += len(told(t, w))
			if got := s.Stats(); got.Leases != left || got.Files != left || got.Expirations != uint64(n-left) {
				t.Errorf("%d leases, %d files, %d expired; want %d left", got.Leases, got.Files, got.Expirations, left)
			}
		}
		if seen != 2*n {
			t.Errorf("%d events, want a set and an expiry of %d entries", seen, n)
		}
	})
}

// TestWriteThatHadToWait expires what has become due while the write waited for the
// mutex. Mutexes are no matter of virtual time, so this one uses the real clock; a
// late goroutine makes it pass, never fail.
func TestWriteThatHadToWait(t *testing.T) {
	s := New(Options{})
	held := put(t, s, "/lock", putLeased("me", 20*time.Millisecond)).Node
	done := make(chan error)
	s.mu.Lock()
	go func() {
		_, err := s.Put("/lock", PutOptions{Value: "you", Exist: MustNotExist})
		done <- err
	}()
	time.Sleep(time.Until(held.Expiration(time.Now())))
	s.mu.Unlock()
	if err := <-done; err != nil {
		t.Errorf("the deadline has passed, and yet: %v", err)
	}
}

// TestExpiredIsNeverSeen looks at more expired entries than a batch holds in each way
// there is, while nothing has ended them yet.
func TestExpiredIsNeverSeen(t *testing.T) {
	const n = 4 * expiryBatch
	last := Key(fmt.Sprintf("/d/k%04d", n-1))
	looks := map[string]func(t storeTest){
		"list": func(t storeTest) {
			s := t.store
			if got := listed(t, s, "/d", GetOptions{}); len(got) != 0 {
				t.Errorf("%d expired entries are listed", len(got))
			}
		},
		"list from the root": func(t storeTest) {
			s := t.store
			if got := listed(t, s, "/", GetOptions{Recursive: true}); !slices.Equal(got, []Key{"/d"}) {
				t.Errorf("%d expired entries are listed", len(got)-1)
			}
		},
		"get": func(t storeTest) {
			s := t.store
			if exists(s, last) {
				t.Error("an expired entry is read")
			}
		},
		"create": func(t storeTest) { put(t, t.store, last, PutOptions{Exist: MustNotExist}) },
		"update": func(t storeTest) {
			s := t.store
			if _, err := s.Put(last, PutOptions{Exist: MustExist}); refusal(t, err) != "100 "+string(last) {
				t.Errorf("an expired entry is updated: %v", err)
			}
		},
		"heartbeat": func(t storeTest) {
			s := t.store
			if e := put(t, s, last, putLeased("", time.Second)); e.Prev != nil {
				t.Error("an expired entry is renewed")
			}
		},
		"delete": func(t storeTest) {
			s := t.store
			if _, err := s.Delete(last, DeleteOptions{}); refusal(t, err) != "100 "+string(last) {
				t.Errorf("an expired entry is deleted: %v", err)
			}
		},
		"delete directory": func(t storeTest) {
			s := t.store
			if _, err := s.Delete("/d", DeleteOptions{Dir: true}); err != nil {
				t.Errorf("expired entries keep a directory: %v", err)
			}
		},
	}
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{})
				for i := range n {
					put(t, s, Key(fmt.Sprintf("/d/k%04d", i)), putLeased("", time.Second))
				}
				time.Sleep(time.Second)
				look(storeTest{t, s})
				if got := s.Stats().Expirations; got != n {
					t.Errorf("%d of %d have ended", got, n)
				}
			})
		})
	}
}
