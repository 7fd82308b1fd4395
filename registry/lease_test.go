package registry

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// run starts Run in a bubble and ends it with the test.
func run(t *testing.T, s *Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// storeTest is a test of a store under virtual time.
type storeTest struct {
	*testing.T
	store *Store
}

// inTwoWays runs a test under virtual time, with Run at work and without it.
func inTwoWays(t *testing.T, test func(t storeTest)) {
	t.Helper()
	t.Run("with Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := New(Options{})
			run(t, s)
			test(storeTest{t, s})
		})
	})
	t.Run("without Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(storeTest{t, New(Options{})}) })
	})
}

// pass lets virtual time pass and the store notice it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func exists(s *Store, key Key) bool {
	_, err := s.Get(key, GetOptions{})
	return err == nil
}

func TestExpiryAtTheDeadline(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		w := watch(t, s, "/a", WatchOptions{Stream: true})
		set := put(t, s, "/a", putLeased("1", 5*time.Second))
		if want := time.Now().Add(5 * time.Second); !set.Node.Expiration(time.Now()).Equal(want) {
			t.Errorf("expires at %v, want %v", set.Node.Expiration(time.Now()), want)
		}
		pass(5*time.Second - 1)
		if !exists(s, "/a") {
			t.Error("gone too early")
		}
		pass(1)
		if exists(s, "/a") {
			t.Error("read after its deadline")
		}
		events, _ := unread(w)
		if got := names(events); !slices.Equal(got, []string{"set /a", "expire /a"}) {
			t.Fatalf("events %q", got)
		}
		e := events[1]
		if e.Prev != set.Node || e.Node.Value != "" || e.Node.HasLease() || e.Node.CreatedIndex != set.Index() ||
			e.Index() <= set.Index() || !e.At().Equal(set.Node.Expiration(time.Now())) {
			t.Errorf("expiry %+v at %v of %+v", e.Node, e.At(), e.Prev)
		}
	})
}

// TestExpiryWithoutAnyOperation shows that Run alone is punctual.
func TestExpiryWithoutAnyOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		run(t, s)
		begin := time.Now()
		w := watch(t, s, "/", WatchOptions{Recursive: true, Stream: true})
		for _, seconds := range []int{7, 3, 5} { // each shorter one must wake Run
			put(t, s, Key(fmt.Sprintf("/%d", seconds)), putLeased("", time.Duration(seconds)*time.Second))
			synctest.Wait()
		}
		for _, seconds := range []int{0, 0, 0, 3, 5, 7} {
			e, err := w.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begin); got != time.Duration(seconds)*time.Second {
				t.Errorf("%v %s after %v, want %d s", e.Action, e.Node.Key, got, seconds)
			}
		}
		put(t, s, "/later", putLeased("", time.Second)) // Run has had nothing to wait for
		if e, _ := w.Next(t.Context()); e.Action != Set {
			t.Error("first the set")
		}
		if e, _ := w.Next(t.Context()); e.Action != Expire || time.Since(begin) != 8*time.Second {
			t.Errorf("%v after %v", e.Action, time.Since(begin))
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		put(t, s, "/a", putLeased("", time.Second))
		for range 2 { // it may run again
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); s.Run(ctx) }()
			synctest.Wait()
			cancel()
			<-done
		}
		run(t, s)
		pass(time.Second)
		if s.Stats().Expirations != 1 {
			t.Error("the third Run does not expire")
		}
	})
}

func TestHeartbeatsKeepAnEntry(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		put(t, s, "/d/x", putLeased("1", 5*time.Second))
		w := watch(t, s, "/d", WatchOptions{Recursive: true, Stream: true})
		for beat := range 1000 {
			pass([]time.Duration{4 * time.Second, 5*time.Second - 1, time.Millisecond}[beat%3])
			e := put(t, s, "/d/x", putLeased("1", 5*time.Second))
			if e.Prev == nil {
				t.Fatalf("lapsed before beat %d", beat)
			}
		}
		want(t, w)
		if got := s.Stats(); got.Renewals != 1000 || got.Leases != 1 || got.Expirations != 0 {
			t.Errorf("after 1000 heartbeats: %+v", got)
		}
		pass(5*time.Second - 1)
		if !exists(s, "/d/x") {
			t.Error("gone before its last deadline")
		}
		pass(1)
		if exists(s, "/d/x") {
			t.Error("outlives its heartbeats")
		}
		want(t, w, "expire /d/x")
	})
}

// TestLeaseChanges moves the deadline of an entry whose lease is of 10 s, after 1 s.
func TestLeaseChanges(t *testing.T) {
	const ttl = 10 * time.Second
	tests := []struct {
		name string
		then PutOptions
		ends time.Duration // after the change; 0: never
	}{
		{"renewal", putLeased("1", ttl), 10 * time.Second},
		{"shorter", putLeased("1", 2*time.Second), 2 * time.Second},
		{"longer", putLeased("1", time.Minute), time.Minute},
		{"new value", putLeased("2", ttl), 10 * time.Second},
		{"refresh", PutOptions{Refresh: true, TTL: 3 * time.Second}, 3 * time.Second},
		{"refresh by update", PutOptions{Refresh: true, TTL: 3 * time.Second, Exist: MustExist}, 3 * time.Second},
		{"set without a TTL", file("1"), 0},
		{"update without a TTL", PutOptions{Value: "1", Exist: MustExist}, 0},
		{"compare and swap without a TTL", PutOptions{Value: "2", PrevValue: "1"}, 0},
		{"directory with a TTL", PutOptions{Dir: true, TTL: time.Second}, time.Second},
		{"directory without a TTL", PutOptions{Dir: true}, 0},
		{"end at once", putLeased("1", EndAtOnce), time.Nanosecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inTwoWays(t, func(t storeTest) {
				s := t.store
				put(t, s, "/a", putLeased("1", ttl))
				pass(time.Second)
				put(t, s, "/a", tt.then)
				checkLeases(t, s)
				if tt.ends == 0 {
					pass(24 * time.Hour)
					if !exists(s, "/a") || s.Stats().Leases != 0 {
						t.Error("gone without a lease")
					}
					return
				}
				pass(tt.ends - 1)
				if tt.ends > 1 && !exists(s, "/a") {
					t.Error("gone too early")
				}
				pass(1)
				if exists(s, "/a") {
					t.Error("there after its deadline")
				}
				checkLeases(t, s)
			})
		})
	}
}

func TestEndAtOnce(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		w := watch(t, s, "/a", WatchOptions{Stream: true})
		e := put(t, s, "/a", putLeased("1", EndAtOnce))
		if !e.Node.HasLease() || !e.Node.Expiration(time.Now()).Equal(time.Now()) || e.Node.TTL() != 0 || e.Node.TTLSeconds(e.At()) != 0 {
			t.Errorf("answer %+v", e.Node)
		}
		if exists(s, "/a") {
			t.Error("still there")
		}
		want(t, w, "set /a", "expire /a")
		if again := put(t, s, "/a", putLeased("1", EndAtOnce)); again.Prev != nil {
			t.Errorf("the first is still there: %+v", again.Prev)
		}
	})
}

func TestExpiryInOrder(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		w := watch(t, s, "/", WatchOptions{Recursive: true, Stream: true})
		for _, i := range []int{3, 1, 4, 2, 9, 5, 8, 6, 7} {
			put(t, s, Key(fmt.Sprintf("/k%d", i)), putLeased("", time.Duration(i)*time.Second))
		}
		put(t, s, "/k1", putLeased("moved", 10*time.Second)) // later than its place in the queue
		told(t, w)
		pass(10 * time.Second)
		exists(s, "/")
		lines := []string{}
		for _, i := range []int{2, 3, 4, 5, 6, 7, 8, 9, 1} {
			lines = append(lines, fmt.Sprintf("expire /k%d", i))
		}
		want(t, w, lines...)
	})
}

func TestDeletedLeasesAreForgotten(t *testing.T) {
	inTwoWays(t, func(t storeTest) {
		s := t.store
		for i := range 10 {
			put(t, s, Key(fmt.Sprintf("/d/k%d", i)), putLeased("", time.Duration(1+i)*time.Second))
		}
		remove(t, s, "/d/k0")
		remove(t, s, "/d/k7")
		checkLeases(t, s)
		remove(t, s, "/d")
		checkLeases(t, s)
		put(t, s, "/d/k0", file("stays"))
		pass(time.Minute)
		if !exists(s, "/d/k0") || s.Stats().Expirations != 0 {
			t.Error("an old lease has ended a new entry")
		}
	})
}
