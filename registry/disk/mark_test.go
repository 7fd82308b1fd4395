package disk

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func open(t *testing.T, dir string) *Mark {
	t.Helper()
	m, err := OpenMark(dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() }) // the test may have closed it
	return m
}

// onDisk returns the bound that a restart would find.
func onDisk(t *testing.T, dir string) uint64 {
	t.Helper()
	m := &Mark{path: filepath.Join(dir, markFile)}
	if err := m.read(); err != nil {
		t.Fatal(err)
	}
	return m.Bound()
}

// A directory has one node, and is free again when that one ends.
func TestMarkIsExclusive(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if _, err := OpenMark(dir, 1000); !errors.Is(err, ErrInUse) {
		t.Errorf("error %v, want %v", err, ErrInUse)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

// The bound that a restart reads is never below an index that was given out, and is
// written only when half of the room is used up.
func TestMarkStaysAhead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	m := open(t, dir)
	if m.Bound() != 0 {
		t.Fatalf("bound %d without a file", m.Bound())
	}
	writes, last := 0, uint64(0)
	for index := uint64(5000); index < 15000; index += 100 {
		if err := m.Raise(index); err != nil {
			t.Fatal(err)
		}
		bound := onDisk(t, dir)
		if bound < index+1000/2 {
			t.Fatalf("at index %d the file bounds %d", index, bound)
		}
		if bound != last {
			writes, last = writes+1, bound
		}
	}
	if writes > 10_000/400 {
		t.Errorf("%d writes for 10,000 indexes", writes)
	}
}

// While the node runs the mark follows the index; at the end it is the index.
func TestMarkRun(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := open(t, dir)
		var index atomic.Uint64
		index.Store(10_000)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			m.Run(ctx, index.Load, slog.New(slog.NewTextHandler(t.Output(), nil)))
		}()
		for range 10 {
			time.Sleep(markInterval + 1)
			synctest.Wait()
			if bound := onDisk(t, dir); bound < index.Load() {
				t.Fatalf("the bound %d is below the index %d", bound, index.Load())
			}
			index.Add(400)
		}
		cancel()
		<-done
		if bound := onDisk(t, dir); bound != index.Load() {
			t.Errorf("after a clean stop the bound is %d, want %d", bound, index.Load())
		}
	})
}

// A stop does not wait for the disk.
func TestMarkEndsOnAHangingDisk(t *testing.T) {
	m := open(t, t.TempDir())
	s := &sick{fault: func(op errorfs.Op) error {
		if isSync(op) {
			select {}
		}
		return nil
	}}
	s.on.Store(true)
	m.fs = errorfs.Wrap(vfs.Default, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	log := new(lines)
	go func() {
		defer close(done)
		m.Run(ctx, func() uint64 { return 1 }, slog.New(slog.NewTextHandler(log, nil)))
	}()
	cancel()
	select {
	case <-done:
	case <-time.After(10 * troubledCloseTimeout):
		t.Fatal("it waits for the disk")
	}
	if !strings.Contains(log.String(), "the disk has not answered") {
		t.Errorf("the log: %s", log)
	}
}

func TestMarkRefusesGarbage(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, markFile), []byte("12x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenMark(dir, 1000); err == nil || !strings.Contains(err.Error(), markFile) {
		t.Errorf("error %v, want one that names the file", err)
	}
}

// A mark that cannot be written is reported, and the old one stays.
func TestMarkFailureKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir)
	if err := m.Raise(1); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, markFile+".new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := m.Raise(100_000); err == nil {
		t.Error("no error")
	}
	if bound := onDisk(t, dir); bound != 1001 {
		t.Errorf("the old bound became %d", bound)
	}
}
