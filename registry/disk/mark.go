package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Mark bounds a node's indexes in a file. The bound is kept ahead of the indexes, so
// that it is written twice a minute under load and never when nothing is written.
type Mark struct {
	path  string
	ahead uint64
	lock  *os.File // held as long as the Mark is open
	fs    vfs.FS   // where the file is written

	mu    sync.Mutex // held while the file is written
	bound uint64     // what the file holds
}

const (
	markFile = "index"
	lockFile = "lock"
)

// ErrInUse is what OpenMark fails with when another process has the directory.
var ErrInUse = errors.New("data directory is in use by another node")

// OpenMark reads the mark in a data directory, which it makes if need be and takes for
// this process alone.
// Ahead is how far the bound is set above the current index. Half of it must be more
// than the node can give out between two looks, 2 s apart.
func OpenMark(dir string, ahead uint64) (*Mark, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	m := &Mark{path: filepath.Join(dir, markFile), ahead: ahead, lock: lock, fs: vfs.Default}
	if err := m.read(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// takeLock holds a file until it is closed or the process ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Dir(path), err), f.Close())
	}
	return f, nil
}

// Close lets others have the directory. The Mark must not be used any more.
func (m *Mark) Close() error { return m.lock.Close() }

// Forget sets the bound to 0, for a node whose indexes have nothing to do with it. The
// file changes at the next Raise.
func (m *Mark) Forget() { m.bound = 0 }

func (m *Mark) read() error {
	text, err := readText(vfs.Default, m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("index mark: %w", err)
	}
	if m.bound, err = strconv.ParseUint(strings.TrimSpace(text), 10, 64); err != nil {
		return fmt.Errorf("index mark %s holds %.40q, which is no number; restore it, or remove it and have all clients list again", m.path, text)
	}
	return nil
}

// Bound returns an index that is at least as large as any given out before, 0 if none was.
func (m *Mark) Bound() uint64 { return m.bound }

// markInterval is how often the bound is compared with the index.
const markInterval = 2 * time.Second

// Run keeps the bound ahead of the current index until the context ends; then it
// writes the current index itself, since no more are given out. A failure is tried
// again; its beginning and its end are logged. At the end it does not wait for a disk that
// hangs. Raise the mark before the first index leaves the node.
func (m *Mark) Run(ctx context.Context, current func() uint64, log *slog.Logger) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.run(ctx, current, log)
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(troubledCloseTimeout):
		log.Warn("index mark not written at the end", "error", fmt.Errorf("the disk has not answered for %v", troubledCloseTimeout))
	}
}

func (m *Mark) run(ctx context.Context, current func() uint64, log *slog.Logger) {
	ticker := time.NewTicker(markInterval)
	defer ticker.Stop()
	for failing := false; ; {
		err := m.Raise(current())
		switch {
		case err != nil && !failing:
			log.Warn("index mark not written; after a crash indexes may repeat if the clock goes back", "error", err)
		case err == nil && failing:
			log.Info("index mark is written again")
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if err := m.lower(current()); err != nil {
				log.Warn("index mark not written at the end", "error", err)
			}
			return
		}
	}
}

// Raise writes a new bound if the index has used up half of the room below the old.
func (m *Mark) Raise(index uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bound >= index+m.ahead/2 {
		return nil
	}
	return m.write(index + m.ahead)
}

// lower writes a bound as it is, which may be below the one before.
func (m *Mark) lower(index uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.write(index)
}

// write replaces the file, synced, so that it holds the old or the new bound whatever
// happens.
func (m *Mark) write(bound uint64) error {
	if err := replaceSynced(m.fs, m.path, strconv.FormatUint(bound, 10)+"\n"); err != nil {
		return fmt.Errorf("index mark: %w", err)
	}
	m.bound = bound
	return nil
}
