// Package disk keeps on disk what a node must not forget.
//
// So far that is one number: an upper bound of the indexes that the node has given
// out, so that they go on growing after a restart even if the clock was set back in
// between. Entries are not kept: a host registers again with its next heartbeat.
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
	"time"
)

// Mark bounds a node's indexes in a file. The bound is kept ahead of the indexes, so
// that it is written twice a minute under load and never when nothing is written.
type Mark struct {
	path  string
	ahead uint64
	bound uint64 // what the file holds
}

const markFile = "index"

// OpenMark reads the mark in a data directory and makes the directory if need be.
// Ahead is how far the bound is set above the current index. Half of it must be more
// than the node can give out between two looks, 2 s apart.
func OpenMark(dir string, ahead uint64) (*Mark, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	m := &Mark{path: filepath.Join(dir, markFile), ahead: ahead}
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("index mark: %w", err)
	}
	if m.bound, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err != nil {
		return nil, fmt.Errorf("index mark %s holds %.40q, which is no number; restore it, or remove it and have all clients list again", m.path, text)
	}
	return m, nil
}

// Bound returns an index that is at least as large as any given out before, 0 if none was.
func (m *Mark) Bound() uint64 { return m.bound }

// markInterval is how often the bound is compared with the index.
const markInterval = 2 * time.Second

// Run keeps the bound ahead of the current index until the context ends; then it
// writes the current index itself, since no more are given out. A failure is tried
// again; its beginning and its end are logged. Raise the mark before the first index
// leaves the node.
func (m *Mark) Run(ctx context.Context, current func() uint64, log *slog.Logger) {
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
			if err := m.write(current()); err != nil {
				log.Warn("index mark not written at the end", "error", err)
			}
			return
		}
	}
}

// Raise writes a new bound if the index has used up half of the room below the old.
func (m *Mark) Raise(index uint64) error {
	if m.bound >= index+m.ahead/2 {
		return nil
	}
	return m.write(index + m.ahead)
}

// write replaces the file, synced, so that it holds the old or the new bound whatever
// happens.
func (m *Mark) write(bound uint64) error {
	temp := m.path + ".new"
	if err := writeSynced(temp, strconv.FormatUint(bound, 10)+"\n"); err != nil {
		return fmt.Errorf("index mark: %w", err)
	}
	if err := os.Rename(temp, m.path); err != nil {
		return fmt.Errorf("index mark: %w", err)
	}
	if err := syncDir(filepath.Dir(m.path)); err != nil {
		return fmt.Errorf("index mark: %w", err)
	}
	m.bound = bound
	return nil
}

// syncDir makes a rename in a directory survive a power failure.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}
