package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"rollcall/registry"
)

// ErrNotEmpty is what [Restore] fails with when the directory holds something.
var ErrNotEmpty = errors.New("data directory is not empty")

// Restore makes the data directory of a node that goes on after the given index, with a journal
// of what fill puts into it. The directory is made if need be; it must hold nothing. The journal
// is read back as a node would, and gets its name last of all: where it has it, it is whole.
func Restore(dir string, index uint64, o Options, fill func(put func([]registry.Change) error) error) error {
	if err := CheckEmpty(dir); err != nil {
		return err
	}
	mark, err := OpenMark(dir, 0)
	if err != nil {
		return err
	}
	defer mark.Close()
	if err := CheckEmpty(dir); err != nil { // it may have been filled before it was ours
		return err
	}
	if err := restore(dir, o, func(db *pebble.DB, failed <-chan struct{}) error {
		if err := fillJournal(db, failed, fill); err != nil {
			return err
		}
		if err := readBack(dir, db, index); err != nil {
			return err
		}
		return mark.Raise(index)
	}); err != nil {
		return errors.Join(err, removeAll(filepath.Join(dir, dbDir+".new"), mark.path))
	}
	return replaceSynced(vfs.Default, filepath.Join(dir, proofFile), "1\n")
}

// CheckEmpty tells whether [Restore] can have a directory: nothing is there, or it is empty but
// for what a file system or an interrupted Restore has left.
func CheckEmpty(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name()
	}
	empty := []string{"lost+found", lockFile}
	if slices.Contains(names, dbDir+".new") {
		empty = append(empty, dbDir+".new", markFile, markFile+".new")
	}
	for _, name := range names {
		if !slices.Contains(empty, name) {
			return fmt.Errorf("%s: %w: it holds %s", dir, ErrNotEmpty, name)
		}
	}
	return nil
}

func removeAll(paths ...string) error {
	var errs []error
	for _, path := range paths {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}

// restore is create in a goroutine of its own: where the disk fails the database may not come
// back. There is no log: what is not complete is of no use, and a log on a full disk is the end
// of the process.
func restore(dir string, o Options, fill func(db *pebble.DB, failed <-chan struct{}) error) error {
	if o.fs == nil {
		o.fs = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{dir: dir, faults: newFaults(o.Log), cache: pebble.NewCache(cacheBytes)}
	defer db.cache.Unref()
	options := db.options(o)
	options.DisableWAL = true
	options.EventListener.BackgroundError = db.faults.fail
	made := make(chan error, 1)
	go func() {
		made <- create(dir, options, func(p *pebble.DB) error { return fill(p, db.faults.failed) })
	}()
	var err error
	select {
	case err = <-made:
	case <-db.faults.failed:
		select {
		case err = <-made:
		case <-time.After(troubledCloseTimeout):
			err = errDiskFailed
		}
	}
	if errors.Is(err, errDiskFailed) {
		return fmt.Errorf("data directory: %w", errors.Unwrap(db.faults.now())) // without the advice to a node
	}
	return err
}

// fillJournal makes one numbered commit of all that fill puts, and gives up when the disk fails.
func fillJournal(db *pebble.DB, failed <-chan struct{}, fill func(put func([]registry.Change) error) error) error {
	put := func(changes []registry.Change) error {
		b := db.NewBatch()
		for _, c := range changes {
			_ = b.Set(c.Key, c.Value, nil) // a batch takes everything
		}
		return errors.Join(db.Apply(b, pebble.NoSync), b.Close())
	}
	if err := fill(put); err != nil {
		return err
	}
	if err := db.Set(numberKey, binary.BigEndian.AppendUint64(nil, 1), pebble.NoSync); err != nil {
		return err
	}
	flushed, err := db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return nil
	case <-failed:
		return errDiskFailed
	}
}

// errDiskFailed ends the making of a journal; the reason is known elsewhere.
var errDiskFailed = errors.New("the disk has failed")

// readBack attaches a store to the journal.
func readBack(dir string, db *pebble.DB, index uint64) error {
	_, tag := registry.IndexAhead(index, time.Now())
	return registry.New(registry.Options{Tag: tag, AfterIndex: index}).Attach(unnamed{dir, db})
}

// unnamed is a journal in the making, which can only be loaded.
type unnamed struct {
	dir string
	db  *pebble.DB
}

func (u unnamed) Load(visit func(key, value []byte) error) error { return load(u.dir, u.db, visit) }
func (u unnamed) Commit([]registry.Change, bool) error           { return errUnnamed }
func (u unnamed) Err() error                                     { return errUnnamed }
func (u unnamed) Failed() <-chan struct{}                        { return nil }

var errUnnamed = errors.New("the journal is not complete")
