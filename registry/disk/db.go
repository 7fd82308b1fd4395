package disk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"rollcall/registry"
)

const dbDir = "db"

// The database's own bounds. It holds what is in memory anyway, and is read when it is opened
// and for a backup, so it needs no cache to speak of.
const (
	cacheBytes    = 8 << 20
	memTableBytes = 16 << 20
	maxOpenFiles  = 256
)

// numberKey holds the number of the latest commit. No key of the journal begins like it.
var numberKey = []byte{0}

// Options configure a [DB]. The zero value is ready to use.
type Options struct {
	// Log is told when the disk begins to fail and when it works again; nil discards that.
	Log *slog.Logger
	// ObserveCommit is called with the time that each synced commit took; nil is not.
	ObserveCommit func(time.Duration)

	fs vfs.FS // tests; nil is the system's
}

// DB is the journal of a node in its data directory. A failing disk makes it wait, see
// [DB.Err], and never ends the process.
type DB struct {
	pebble  *pebble.DB
	dir     string
	faults  *faults
	observe func(time.Duration)
	cache   *pebble.Cache

	closing chan struct{} // closed when nothing more is to be committed

	busy   sync.Mutex // held during a commit, which may be for ever
	number uint64     // of the latest commit
	proof  *proof
}

// Open opens the journal in a data directory, whose lock is held by a [Mark], and makes an empty
// one where there has been none. It fails with [ErrDamaged] if acknowledged writes are missing.
func Open(dir string, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.fs == nil {
		o.fs = vfs.Default
	}
	db := &DB{
		dir: dir, faults: newFaults(o.Log), observe: o.ObserveCommit, cache: pebble.NewCache(cacheBytes),
		closing: make(chan struct{}),
	}
	defer db.cache.Unref() // the database has its own hold on it
	opened := make(chan error, 1)
	go func() { opened <- db.open(o) }()
	select {
	case err := <-opened:
		if err != nil {
			return nil, err
		}
	case <-db.faults.failed: // it may not return
	}
	if err := db.faults.stuck(); err != nil {
		return nil, damaged(dir, err)
	}
	if err := db.faults.now(); err != nil {
		return nil, errors.Join(damaged(dir, err), db.pebble.Close(), db.proof.close())
	}
	db.faults.arm()
	return db, nil
}

func (db *DB) open(o Options) (err error) {
	options := db.options(o)
	if err := prepare(db.dir, options); err != nil {
		return err
	}
	if db.pebble, err = pebble.Open(filepath.Join(db.dir, dbDir), options); err != nil {
		return damaged(db.dir, err)
	}
	if db.number, err = db.readNumber(); err == nil {
		db.proof, err = openProof(o.fs, db.dir, db.number)
	}
	if err != nil {
		return errors.Join(err, db.pebble.Close())
	}
	return nil
}

func (db *DB) options(o Options) *pebble.Options {
	return &pebble.Options{
		FS:                 patientFS{o.fs, db.faults},
		FormatMajorVersion: pebble.FormatWALSyncChunks,
		Cache:              db.cache,
		MemTableSize:       memTableBytes,
		MaxOpenFiles:       maxOpenFiles,
		Logger:             pebbleLog{o.Log, db.faults},
		EventListener: &pebble.EventListener{
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				db.faults.corrupt(fmt.Errorf("%w: %s: %w", ErrDamaged, i.Path, i.Details))
			},
			BackgroundError: func(err error) {
				o.Log.Warn("journal", "text", fmt.Sprintf("background error: %v", err))
				db.faults.background(err)
			},
		},
	}
}

// readNumber returns the number of the latest commit, 0 if there was none.
func (db *DB) readNumber() (uint64, error) {
	value, closer, err := db.pebble.Get(numberKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, damaged(db.dir, err)
	}
	defer closer.Close()
	if len(value) != 8 {
		return 0, damaged(db.dir, errors.New("the number of the latest commit is none"))
	}
	return binary.BigEndian.Uint64(value), nil
}

// Load calls visit for all keys in order.
func (db *DB) Load(visit func(key, value []byte) error) error {
	return load(db.dir, db.pebble, visit)
}

func load(dir string, from pebble.Reader, visit func(key, value []byte) error) error {
	it, err := from.NewIter(nil)
	if err != nil {
		return damaged(dir, err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		if bytes.Equal(it.Key(), numberKey) {
			continue
		}
		if err := visit(it.Key(), it.Value()); err != nil {
			return errors.Join(damaged(dir, err), it.Close())
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return damaged(dir, err)
	}
	return nil
}

// Commit makes all changes or none. While the disk does not answer it does not return, for
// ever if what the disk has done is the end, see [DB.Failed].
func (db *DB) Commit(changes []registry.Change, sync bool) error {
	if err := db.refusal(); err != nil {
		return err // rather than wait for a commit that will not return
	}
	db.busy.Lock()
	defer db.busy.Unlock()
	if err := db.refusal(); err != nil {
		return err
	}
	b := db.pebble.NewBatch()
	for _, c := range changes {
		if c.Value == nil {
			_ = b.Delete(c.Key, nil) // a batch takes everything
		} else {
			_ = b.Set(c.Key, c.Value, nil)
		}
	}
	number := db.number + 1
	_ = b.Set(numberKey, binary.BigEndian.AppendUint64(nil, number), nil)
	db.faults.start()
	err := db.apply(b, sync)
	if took := db.faults.finish(); sync && db.observe != nil {
		db.observe(took)
	}
	if err != nil {
		return err
	}
	db.number = number
	if sync {
		db.proof.note(number)
	}
	return nil
}

// refusal says why nothing is committed any more, nil if it is.
func (db *DB) refusal() error {
	select {
	case <-db.closing:
		return errClosed
	default:
		return db.faults.stuck()
	}
}

func (db *DB) apply(b *pebble.Batch, sync bool) error {
	o := pebble.NoSync
	if sync {
		o = pebble.Sync
	}
	err := db.pebble.Apply(b, o)
	if err != nil {
		db.faults.fail(err)
	}
	return errors.Join(err, b.Close())
}

// Failed is closed when nothing more can be kept.
func (db *DB) Failed() <-chan struct{} { return db.faults.failed }

// Stats is what a journal can tell of itself.
type Stats struct {
	Err   error  // as [DB.Err]
	Bytes uint64 // of its files
}

// Stats returns the present figures.
func (db *DB) Stats() Stats { return Stats{Err: db.Err(), Bytes: db.pebble.Metrics().DiskSpaceUsage()} }

// Err tells what is wrong with the disk now, nil if nothing is.
func (db *DB) Err() error { return db.faults.now() }

const (
	// closeTimeout bounds how long Close waits for the disk.
	closeTimeout = 5 * time.Second
	// troubledCloseTimeout is closeTimeout for a disk that is in trouble already.
	troubledCloseTimeout = time.Second
)

// errClosed is why a journal that is closed keeps nothing more.
var errClosed = errors.New("the journal is closed")

// Close ends the journal. A Commit that the disk holds up does not return, and those that come
// later fail. What was acknowledged is there, also when Close fails.
func (db *DB) Close() error {
	trouble, wait := db.Err(), closeTimeout
	if trouble != nil {
		wait = troubledCloseTimeout
	}
	done := make(chan error, 1)
	close(db.closing)
	go func() {
		db.busy.Lock() // and for good
		done <- errors.Join(db.pebble.Close(), db.proof.close())
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(wait):
		err = fmt.Errorf("the disk has not answered for %v", wait)
	}
	db.faults.end()
	if err = cmp.Or(trouble, err); err != nil {
		return fmt.Errorf("data directory %s was not closed in good order: %w", db.dir, err)
	}
	return nil
}

// pebbleLog takes what the database has to say.
type pebbleLog struct {
	log    *slog.Logger
	faults *faults
}

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug("journal", "text", fmt.Sprintf(format, args...))
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Warn("journal", "text", fmt.Sprintf(format, args...))
}

// Fatalf may not return: its goroutine stays here, so that the process can go on without it.
func (l pebbleLog) Fatalf(format string, args ...any) {
	l.faults.fail(fmt.Errorf(format, args...))
	select {}
}
