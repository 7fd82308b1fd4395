package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	resyncFile = "resync"
	asideDir   = dbDir + ".damaged"
)

// SetAside begins to replace the journal of a data directory, whose lock is held by a [Mark],
// by what other nodes hold: what is there becomes db.damaged, in the place of an earlier one,
// and [Open] makes an empty journal. Until [EndResync] the node has not got back what it had.
func SetAside(dir string) error {
	if !IsResyncing(dir) {
		if err := os.RemoveAll(filepath.Join(dir, asideDir)); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
		err := writeSynced(vfs.Default, filepath.Join(dir, resyncFile), "the journal is to come from other nodes\n")
		if err == nil {
			err = syncDir(vfs.Default, dir) // it is there before the journal is not
		}
		if err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	if err := errors.Join(moveAside(dir), remove(filepath.Join(dir, proofFile)), syncDir(vfs.Default, dir)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// moveAside moves the journal unless that has been done: then what is there is a beginning of
// the new one.
func moveAside(dir string) error {
	from, to := filepath.Join(dir, dbDir), filepath.Join(dir, asideDir)
	if isThere(vfs.Default, to) {
		return os.RemoveAll(from)
	}
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// IsResyncing tells whether a resync of the data directory has begun and not ended. The node
// must call [SetAside] again then, and have everything from its peers before it serves.
func IsResyncing(dir string) bool {
	return isThere(vfs.Default, filepath.Join(dir, resyncFile))
}

// EndResync notes that the journal holds what the other nodes hold.
func EndResync(dir string) error {
	if err := errors.Join(remove(filepath.Join(dir, resyncFile)), syncDir(vfs.Default, dir)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}
