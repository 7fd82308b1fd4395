package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// format is the version of the journal that this program reads and writes. It is in a file
// beside the database's own.
const (
	format     = 1
	formatFile = "format"
	formatText = "rollcall journal, format %d\n"
)

// ErrDamaged is what opening a journal fails with when writes that were acknowledged are missing.
var ErrDamaged = errors.New("the data directory is damaged: acknowledged writes are missing or unreadable")

// ErrNewer is what reading something fails with that a newer program has written.
var ErrNewer = errors.New("written by a newer version of this program")

// damaged returns the reason why a journal cannot be read as [ErrDamaged], unless it is the
// system that refuses.
func damaged(dir string, err error) error {
	var refused syscall.Errno
	if errors.As(err, &refused) && refused != syscall.ENOENT {
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
	return damage(dir, err)
}

func damage(dir string, err error) error {
	if errors.Is(err, ErrDamaged) {
		err = errors.New(err.Error()) // said once
	}
	return fmt.Errorf("%s: %w: %w; start with --resync to take everything from the other nodes, or restore a backup into an empty directory", dir, ErrDamaged, err)
}

// prepare makes an empty journal where there has been none, and checks that what is there can
// be opened. The journal gets its name when it is complete, so that one with its name is.
func prepare(dir string, o *pebble.Options) error {
	path := filepath.Join(dir, dbDir)
	if _, err := o.FS.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if isThere(o.FS, filepath.Join(dir, proofFile)) {
			return damage(dir, fmt.Errorf("%s is gone", dbDir))
		}
		return create(dir, o, nil)
	} else if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := checkFormat(o.FS, path); err != nil {
		return err
	}
	if is, err := pebble.Peek(path, o.FS); err != nil || !is.Exists {
		return damage(dir, errors.Join(errors.New("the database's description is gone"), err))
	}
	return nil
}

// checkFormat refuses the journals of other versions.
func checkFormat(disk vfs.FS, path string) error {
	text, err := readText(disk, filepath.Join(path, formatFile))
	if err != nil {
		return fmt.Errorf("%s is no journal of this program: %w", path, err)
	}
	var version int
	if _, err := fmt.Sscanf(text, formatText, &version); err != nil {
		return fmt.Errorf("%s says %.40q, not which format it has", filepath.Join(path, formatFile), text)
	}
	if version > format {
		return fmt.Errorf("%s has format %d: %w, which knows up to format %d", path, version, ErrNewer, format)
	}
	return nil
}

// create makes a journal with what fill puts into it.
func create(dir string, o *pebble.Options, fill func(*pebble.DB) error) error {
	path := filepath.Join(dir, dbDir)
	temp := path + ".new"
	if err := o.FS.RemoveAll(temp); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := o.FS.MkdirAll(temp, 0o700); err != nil { // it is to hold secrets
		return fmt.Errorf("data directory: %w", err)
	}
	db, err := pebble.Open(temp, o)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if fill != nil {
		err = fill(db)
	}
	err = errors.Join(err, db.Close(), writeSynced(o.FS, filepath.Join(temp, formatFile), fmt.Sprintf(formatText, format)))
	if err == nil {
		err = errors.Join(syncDir(o.FS, temp), o.FS.Rename(temp, path), syncDir(o.FS, dir))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("data directory: %w", err), o.FS.RemoveAll(temp))
	}
	return nil
}
