package registry

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A disk that is in trouble refuses what it would have to keep and nothing else.
func TestFaultyDiskRefusesDurableWritesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(memory)
		s, _ := attached(t, j, Options{})
		put(t, s, "/creds", file("1"))
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		put(t, s, "/pool", PutOptions{Dir: true, TTL: time.Minute})
		j.set(func(m *memory) { m.fault = errors.New("no space left") })
		for what, write := range map[string]func() (*Event, error){
			"a file":           func() (*Event, error) { return s.Put("/new", file("1")) },
			"a directory":      func() (*Event, error) { return s.Put("/dir", PutOptions{Dir: true, TTL: time.Minute}) },
			"another TTL":      func() (*Event, error) { return s.Put("/pool", PutOptions{Dir: true, TTL: time.Hour, Exist: MustExist}) },
			"a pool for good":  func() (*Event, error) { return s.Put("/pool", PutOptions{Dir: true, Exist: MustExist}) },
			"a lease over one": func() (*Event, error) { return s.Put("/creds", putLeased("2", time.Minute)) },
			"an update":        func() (*Event, error) { return s.Put("/creds", PutOptions{Value: "2", Exist: MustExist}) },
			"a create":         func() (*Event, error) { return s.Put("/new", PutOptions{Exist: MustNotExist}) },
			"a lease for good": func() (*Event, error) { return s.Put("/hosts/a", file("1")) },
			"in order":         func() (*Event, error) { return s.CreateInOrder("/queue", file("1")) },
			"a removal":        func() (*Event, error) { return s.Delete("/creds", DeleteOptions{}) },
			"a comparison":     func() (*Event, error) { return s.Delete("/creds", DeleteOptions{PrevValue: "1"}) },
			"a whole tree":     func() (*Event, error) { return s.Delete("/hosts", DeleteOptions{Recursive: true}) },
		} {
			before := full(s)
			_, err := write()
			var refused *Error
			if !errors.As(err, &refused) || refused.Code != CodeNotKept || !strings.Contains(refused.Cause, "no space left; nothing was changed") {
				t.Errorf("%s: %v", what, err)
			}
			if after := full(s); after != before {
				t.Errorf("%s has changed something:\n%s\nbefore:\n%s", what, after, before)
			}
		}
		for what, o := range map[string]PutOptions{"set": file("1"), "create": {Exist: MustNotExist}} {
			_, err := s.Put("/creds/below", o)
			if got := refusal(t, err); !strings.HasPrefix(got, "104") {
				t.Errorf("%s below a file: %s", what, got)
			}
		}
		begin := time.Now()
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		put(t, s, "/hosts/a", putLeased("2", time.Minute))
		put(t, s, "/hosts/b", putLeased("1", time.Minute))
		remove(t, s, "/hosts/b")
		put(t, s, "/pool", PutOptions{Dir: true, TTL: time.Minute, Exist: MustExist})
		put(t, s, "/pool", PutOptions{TTL: time.Minute, Exist: MustExist, Refresh: true})
		if took := time.Since(begin); took > 0 {
			t.Errorf("leases waited %v for the disk", took)
		}
		j.set(func(m *memory) { m.fault = nil })
		put(t, s, "/creds", file("2"))
	})
}

// A write that is under way when the disk stops answering is answered in time, and says that
// it was done; a removed lease is just removed.
func TestDiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(memory)
		s, _ := attached(t, j, Options{})
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		time.Sleep(time.Second)
		j.set(func(m *memory) { m.held = make(chan struct{}) })
		begin := time.Now()
		_, err := s.Put("/creds", file("1"))
		var late *Error
		if !errors.As(err, &late) || late.Code != CodeNotKept || !strings.Contains(late.Cause, "the write was done") {
			t.Errorf("a write that the disk does not answer: %v", err)
		}
		remove(t, s, "/hosts/a")
		if took := time.Since(begin); took != 2*diskTimeout {
			t.Errorf("two writes took %v", took)
		}
		close(j.held)
		time.Sleep(time.Second)
		again, _ := attached(t, j, Options{})
		if got := value(t, again, "/creds"); got != "1" {
			t.Errorf("after a restart: %q", got)
		}
	})
}

// keeping returns a store that goes on from a journal, and how Keep ends.
func keeping(t *testing.T, j Journal) (s *Store, kept <-chan error) {
	t.Helper()
	s = New(Options{})
	if err := s.Attach(j); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Keep(t.Context()) }()
	return s, done
}

// When the journal fails for good those who wait are told, and so is who comes later.
func TestJournalThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(memory)
		s, kept := keeping(t, j)
		put(t, s, "/creds", file("1"))
		j.set(func(m *memory) { m.broken = errors.New("sync failed") })
		for range 2 {
			if _, err := s.Put("/creds", file("2")); err == nil || !strings.Contains(err.Error(), "sync failed") {
				t.Errorf("a write: %v", err)
			}
		}
		if err := <-kept; err == nil {
			t.Error("Keep says nothing")
		}
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		if n := len(s.unsaved.keys); n != 0 {
			t.Errorf("%d keys wait for a journal that has failed", n)
		}
	})
}

// When the journal fails in a commit that never ends, those who wait are told at once: for
// that commit, for the next one, and later.
func TestJournalThatFailsAndHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &memory{held: make(chan struct{}), failed: make(chan struct{})}
		s, kept := keeping(t, j)
		wrote := make(chan error, 2)
		for _, key := range []Key{"/under/way", "/next"} {
			go func() {
				_, err := s.Put(key, file("1"))
				wrote <- err
			}()
			synctest.Wait()
		}
		begin := time.Now()
		j.set(func(m *memory) { m.fault = errors.New("sync failed") })
		close(j.failed)
		for range 2 {
			if err := <-wrote; err == nil || !strings.Contains(err.Error(), "sync failed") {
				t.Errorf("a write: %v", err)
			}
		}
		if err := <-kept; err == nil {
			t.Error("Keep says nothing")
		}
		put(t, s, "/hosts/a", putLeased("1", time.Minute))
		close(j.held) // nothing is saved after the end
		synctest.Wait()
		remove(t, s, "/hosts/a")
		if took := time.Since(begin); took != 0 {
			t.Errorf("all this took %v", took)
		}
		if commits, _ := j.counts(); len(s.unsaved.keys) != 0 || commits != 1 {
			t.Errorf("%d keys wait for a journal that has failed, after %d commits", len(s.unsaved.keys), commits)
		}
	})
}
