package disk

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"rollcall/registry"
)

// sick is a disk with a fault that can be switched on and off.
type sick struct {
	on    atomic.Bool
	fault func(op errorfs.Op) error
}

func (s *sick) String() string { return "sick" }

func (s *sick) MaybeError(op errorfs.Op) error {
	if !s.on.Load() {
		return nil
	}
	return s.fault(op)
}

// writesFail is a fault of everything that changes something.
func writesFail(err error) func(errorfs.Op) error {
	return func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !isSync(op) {
			return err
		}
		return nil
	}
}

// syncsFail is a fault of syncs only.
func syncsFail(err error) func(errorfs.Op) error {
	return func(op errorfs.Op) error {
		if isSync(op) {
			return err
		}
		return nil
	}
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// openSick opens a journal on a disk with a fault that is not there yet.
func openSick(t *testing.T, fault func(errorfs.Op) error) (db *DB, s *sick, log *lines) {
	t.Helper()
	s, log = &sick{fault: fault}, &lines{}
	db, err := Open(t.TempDir(), Options{fs: errorfs.Wrap(vfs.Default, s), Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return db, s, log
}

// commitLater commits one change, and returns how that ends.
func commitLater(db *DB, value string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- db.Commit([]registry.Change{{Key: []byte("k/a"), Value: []byte(value)}}, true) }()
	return done
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// A disk that refuses writes is waited for, and the journal has everything afterwards.
func TestWritesFailForAWhile(t *testing.T) {
	for name, errno := range map[string]syscall.Errno{"full": syscall.ENOSPC, "read-only": syscall.EROFS, "broken": syscall.EIO, "quota": syscall.EDQUOT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, s, log := openSick(t, writesFail(errno))
			commit(t, db, true, "k/before", "1")
			s.on.Store(true)
			done := commitLater(db, "1")
			waitFor(t, "the fault is told", func() bool { return errors.Is(db.Err(), errno) })
			select {
			case err := <-done:
				t.Fatalf("a commit ended on a disk that refuses writes: %v", err)
			default:
			}
			s.on.Store(false)
			if err := <-done; err != nil {
				t.Errorf("the commit failed after all: %v", err)
			}
			if err := db.Err(); err != nil {
				t.Errorf("the fault is still told: %v", err)
			}
			for i := range 100 {
				commit(t, db, true, "k/after", strconv.Itoa(i))
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(log.String(), "level=ERROR"); got != 1 || !strings.Contains(log.String(), "takes writes again") {
				t.Errorf("%d errors logged:\n%s", got, log)
			}
			again := mustOpen(t, db.dir)
			defer again.Close()
			got, err := contents(again)
			if err != nil || got["k/before"] != "1" || got["k/a"] != "1" || got["k/after"] != "99" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// A disk that becomes full while a node is down refuses the tables that a start makes of the log: the start ends with the
// reason, and nothing goes on in the background.
func TestOpenOnAFullDisk(t *testing.T) {
	var writes atomic.Int64
	db, _, _ := openSick(t, writesFail(syscall.ENOSPC))
	commit(t, db, true, "k/before", "1")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, log := &sick{fault: func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".sst") {
			writes.Add(1)
			return syscall.ENOSPC
		}
		return nil
	}}, &lines{}
	s.on.Store(true)
	opened := make(chan error, 1)
	go func() {
		_, err := Open(db.dir, Options{fs: errorfs.Wrap(vfs.Default, s), Log: slog.New(slog.NewTextHandler(log, nil))})
		opened <- err
	}()
	select {
	case err := <-opened:
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "data directory "+db.dir) {
			t.Errorf("the start failed with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the start does not end")
	}
	before := writes.Load()
	time.Sleep(100 * time.Millisecond)
	if now := writes.Load(); now != before || strings.Count(log.String(), "background error") != 1 {
		t.Errorf("%d more attempts to write after it:\n%s", now-before, log)
	}
}

// After a failed sync nobody knows what is on disk: nothing is acknowledged any more, the
// process goes on, and a new start finds what was acknowledged before.
func TestSyncFails(t *testing.T) {
	db, s, log := openSick(t, syncsFail(syscall.EIO))
	commit(t, db, true, "k/before", "1")
	s.on.Store(true)
	done := commitLater(db, "1")
	<-db.Failed()
	select {
	case err := <-done:
		t.Errorf("the commit ended with %v", err)
	default:
	}
	s.on.Store(false)
	if err := db.Err(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "start the node anew") {
		t.Errorf("told: %v", err)
	}
	if err := <-commitLater(db, "2"); err == nil {
		t.Error("a commit after a failed sync is acknowledged")
	}
	if err := db.Close(); err == nil {
		t.Error("closed in good order")
	}
	if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
		t.Errorf("%d errors logged:\n%s", got, log)
	}
	copied := filepath.Join(t.TempDir(), "copy") // this process still has the lock
	if err := os.CopyFS(copied, os.DirFS(db.dir)); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, copied)
	defer again.Close()
	if got, err := contents(again); err != nil || got["k/before"] != "1" {
		t.Errorf("%v, %v", got, err)
	}
}

// A disk that hangs is told, and not waited for when the journal is closed.
func TestHangingDisk(t *testing.T) {
	hang := make(chan struct{})
	s := &sick{fault: func(op errorfs.Op) error {
		if isSync(op) || op.Kind == errorfs.OpFileWrite {
			<-hang
		}
		return nil
	}}
	db, err := Open("data", Options{fs: errorfs.Wrap(vfs.NewMem(), s)}) // in memory: what hangs writes after the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(hang) })
	s.on.Store(true)
	done := commitLater(db, "1")
	waitFor(t, "the disk is told to be slow", func() bool {
		err := db.Err()
		return err != nil && strings.Contains(err.Error(), "the disk has not answered for")
	})
	began := time.Now()
	if err := db.Close(); err == nil {
		t.Error("closed in good order")
	}
	if took := time.Since(began); took > 2*troubledCloseTimeout {
		t.Errorf("closing took %v", took)
	}
	<-db.Failed()
	select {
	case err := <-done:
		t.Errorf("the commit ended with %v", err)
	default:
	}
	if err := <-commitLater(db, "2"); err == nil {
		t.Error("a commit after the end is acknowledged")
	}
}

// A slow disk is in use for longer than it may be, and in order afterwards.
func TestSlowDisk(t *testing.T) {
	var took time.Duration
	s := &sick{fault: func(op errorfs.Op) error {
		if isSync(op) {
			time.Sleep(slowAfter + 500*time.Millisecond) // the disk's own slowness
		}
		return nil
	}}
	db, err := Open(t.TempDir(), Options{fs: errorfs.Wrap(vfs.Default, s), ObserveCommit: func(d time.Duration) { took = d }})
	if err != nil {
		t.Fatal(err)
	}
	s.on.Store(true)
	done := commitLater(db, "1")
	waitFor(t, "the disk is told to be slow", func() bool { return db.Err() != nil })
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.on.Store(false)
	if err := db.Err(); err != nil {
		t.Errorf("still slow: %v", err)
	}
	if took < slowAfter {
		t.Errorf("the commit took %v, it says", took)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// A commit that comes when the journal is being closed fails, and no more than that.
func TestCommitWhileClosing(t *testing.T) {
	slow := make(chan struct{})
	db, s, _ := openSick(t, func(op errorfs.Op) error {
		if isSync(op) {
			<-slow
		}
		return nil
	})
	s.on.Store(true)
	first := commitLater(db, "1")
	waitFor(t, "the commit is under way", func() bool { return db.Err() != nil })
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	time.Sleep(troubledCloseTimeout / 2)
	close(slow)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := <-commitLater(db, "2"); err == nil {
		t.Error("a closed journal takes a commit")
	}
	if err := <-closed; err == nil {
		t.Error("closed in good order")
	}
}
