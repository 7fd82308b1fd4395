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
		return nil, fmt.Errorf("index mark %s: %w", m.path, err)
	}
	return m, nil
}

// Bound returns an index that is at least as large as any given out before, 0 if none was.
func (m *Mark) Bound() uint64 { return m.bound }

// markInterval is how often the bound is compared with the index.
const markInterval = 2 * time.Second

// Run keeps the bound ahead of the current index until the context ends; then it
// writes the current index itself, since no more are given out. Failures are given to
// warn, and tried again. Start it before the first index leaves the node.
func (m *Mark) Run(ctx context.Context, current func() uint64, warn func(error)) {
	ticker := time.NewTicker(markInterval)
	defer ticker.Stop()
	for {
		if err := m.Raise(current()); err != nil {
			warn(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if err := m.write(current()); err != nil {
				warn(err)
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
	m.bound = bound
	return nil
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
