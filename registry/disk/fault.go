package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

const (
	// retryInterval is how often something that has failed is tried again.
	retryInterval = 100 * time.Millisecond
	// slowAfter is how long a commit may be under way until the disk counts as being in trouble.
	slowAfter = 2 * time.Second
)

// faults holds what fails on the disk until it works: the database under it cannot go on
// after an error, but it can wait. A sync that has failed is never tried again, since the
// system may have dropped what was to be written: then only a new start tells what is there.
type faults struct {
	log *slog.Logger

	mu       sync.Mutex
	armed    bool          // errors are held; before that they are returned
	ended    bool          // they are not any more, since the journal is closed
	held     int           // how many operations wait
	err      error         // why
	fatal    error         // why nothing more can be kept, nil if it can
	failed   chan struct{} // closed with the latter
	released chan struct{} // closed when what waits is to fail
	began    time.Time     // when the commit under way did; zero for none
}

func newFaults(log *slog.Logger) *faults {
	return &faults{log: log, failed: make(chan struct{}), released: make(chan struct{})}
}

// arm begins to hold errors.
func (f *faults) arm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = true
}

// end lets all that waits fail, and what fails from then on.
func (f *faults) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed {
		f.armed = false
		close(f.released)
	}
	f.ended = true
	f.failLocked(errClosed)
}

// hold tries an operation until it does not fail.
func (f *faults) hold(op func() error) error {
	err := op()
	if err == nil || !isDiskFault(err) || !f.begin(err) {
		return err
	}
	defer f.resume()
	retry := time.NewTicker(retryInterval)
	defer retry.Stop()
	for {
		select {
		case <-f.released:
			return err
		case <-retry.C:
		}
		if err = op(); err == nil || !isDiskFault(err) {
			return err
		}
	}
}

// isDiskFault tells whether an error is the disk's, rather than that of who asks for what is
// not there.
func isDiskFault(err error) bool {
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrClosed)
}

// begin notes that an operation waits; it reports false if it may not.
func (f *faults) begin(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.armed {
		return false
	}
	if f.held++; f.held == 1 {
		f.err = err
		f.log.Error("the disk refuses writes; what has no TTL cannot be written until it takes them again", "error", err)
	}
	return true
}

// resume notes that one operation waits no more.
func (f *faults) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held--; f.held > 0 || f.fatal != nil || !f.armed {
		return
	}
	f.err = nil
	f.log.Info("the disk takes writes again")
}

// fail notes that nothing more can be kept.
func (f *faults) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failLocked(err)
}

// corrupt is fail for what was found on disk. While the journal is opened it goes on, so that
// it can be closed again.
func (f *faults) corrupt(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed {
		f.failLocked(err)
	} else if f.fatal == nil {
		f.fatal = err
	}
}

// background is told what has failed besides what was asked for. The database would try that again at once, for ever and
// without a pause. While the journal is opened, nothing that fails is held; so this ends the opening, and stays here.
func (f *faults) background(err error) {
	if f.failOpening(err) {
		select {}
	}
}

// failOpening is fail while errors are not held yet; it reports false when they are.
func (f *faults) failOpening(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.armed || f.ended {
		return false
	}
	if f.fatal == nil {
		f.fatal = err
	}
	f.failLocked(err)
	return true
}

// stuck returns why the database has stopped for good, nil if it has not.
func (f *faults) stuck() error {
	select {
	case <-f.failed:
		return f.now()
	default:
		return nil
	}
}

func (f *faults) failLocked(err error) {
	select {
	case <-f.failed:
		return
	default:
		close(f.failed)
	}
	if f.fatal == nil {
		f.fatal = fmt.Errorf("%w; start the node anew", err)
	}
	if f.armed {
		f.log.Error("nothing more can be kept on disk; reads and leases go on, start the node anew when the disk is sound", "error", err)
	}
}

// start and finish enclose a commit.
func (f *faults) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.began = time.Now()
}

func (f *faults) finish() (took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	took = time.Since(f.began)
	f.began = time.Time{}
	return took
}

// now returns what is wrong now, nil if nothing is.
func (f *faults) now() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.fatal != nil:
		return f.fatal
	case f.err != nil:
		return f.err
	case !f.began.IsZero() && time.Since(f.began) > slowAfter:
		return fmt.Errorf("the disk has not answered for %v", time.Since(f.began).Round(100*time.Millisecond))
	default:
		return nil
	}
}

// failArmed is fail while errors are held; it reports false when they are not.
func (f *faults) failArmed(err error) bool {
	f.mu.Lock()
	armed := f.armed
	f.mu.Unlock()
	if armed {
		f.fail(err)
	}
	return armed
}
