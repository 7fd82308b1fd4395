package registry

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Change is what becomes of one key of the [Journal]: a new value, or nil when the key goes.
type Change struct{ Key, Value []byte }

// Journal keeps a store's state on disk, as opaque keys and values.
type Journal interface {
	// Load calls visit for all that is kept, in the order of the keys. Key and value are
	// valid during the call only. An error of visit ends it and is returned.
	Load(visit func(key, value []byte) error) error
	// Commit makes all changes or none, and returns when they are there: after a crash of the
	// process, and with sync after a power loss, too. It is called by one goroutine at a time
	// and blocks for as long as the disk does, which may be for ever. After an error nothing
	// more can be kept until the node is started anew.
	Commit(changes []Change, sync bool) error
	// Failed is closed when nothing more can be kept until the node is started anew, also
	// while a Commit blocks; Err tells why for ever.
	Failed() <-chan struct{}
	// Err tells what is wrong with the disk now, nil if nothing is. It is called for each
	// write that needs the disk.
	Err() error
}

const (
	// keepInterval is how long a change may wait for the disk that nobody waits for.
	keepInterval = 500 * time.Millisecond
	// diskTimeout is how long a write waits for the disk before it is answered with an error.
	diskTimeout = 5 * time.Second
)

// Attach takes the state that a journal has kept, as that of a former run of this node, and
// keeps the state there from then on, while [Store.Keep] runs. Call it once and before
// anything else. Leases begin with their whole TTL and do not end before [Store.Synced].
func (s *Store) Attach(j Journal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	l := loader{store: s, now: now, marks: make(map[uint64]savedMark)}
	if err := j.Load(l.visit); err != nil {
		return err
	}
	if err := l.check(); err != nil {
		return err
	}
	s.journal = j
	s.unsaved.track(&l)
	s.leases.hold(now)
	return nil
}

// Synced tells the store that it has what its peers have, or that there are none: leases
// begin to run, those that were held at the time with what they had left when it was attached.
func (s *Store) Synced() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases.free(time.Now())
	s.planLocked()
}

// Keep brings changes to the journal of [Store.Attach] until the context ends, and then the
// rest of them. It returns an error when the journal fails; reads and leases go on then.
func (s *Store) Keep(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.keep(ctx) }() // stays behind in a commit that never ends
	var err error
	select {
	case err = <-ended:
	case <-s.journal.Failed():
		err = s.journal.Err()
	}
	if err == nil {
		return nil
	}
	s.giveUp(err)
	return fmt.Errorf("nothing more is kept on disk: %w", err)
}

// keep is Keep, but for a commit that never ends.
func (s *Store) keep(ctx context.Context) error {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for ended := false; !ended; {
		select {
		case <-s.unsaved.wake:
		case <-ticker.C:
		case <-ctx.Done():
			ended = true
		}
		if err := s.save(); err != nil {
			return err
		}
	}
	return nil
}

// Flush waits until all that has happened so far is on disk, or will never be. Without a
// journal it returns at once.
func (s *Store) Flush(ctx context.Context) error {
	c := s.flushing()
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flushing returns the commit that will hold what has happened so far, nil without a journal.
func (s *Store) flushing() *commit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil {
		return nil
	}
	s.unsaved.sync = true
	s.unsaved.call()
	return s.unsaved.next
}

// save makes one commit of all that is unsaved. After an error of the journal it is for
// giveUp to end the commit.
func (s *Store) save() error {
	changes, sync, c := s.collect()
	if len(changes) > 0 || sync {
		if err := s.journal.Commit(changes, sync); err != nil {
			return err
		}
	}
	c.end(nil)
	return nil
}

// giveUp stops looking for what is unsaved, and tells all who wait for it.
func (s *Store) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved.on, s.unsaved.keys = false, nil
	s.unsaved.underWay.end(err)
	s.unsaved.next.end(err)
}

// commit is one step of the journal.
type commit struct {
	once sync.Once
	done chan struct{} // closed when it is on disk, or never will be
	err  error         // valid then
}

func newCommit() *commit { return &commit{done: make(chan struct{})} }

// end tells those who wait how it went; only the first call counts.
func (c *commit) end(err error) {
	c.once.Do(func() {
		c.err = err
		close(c.done)
	})
}

// pledge is what a write waits for before it is answered.
type pledge struct {
	*commit         // nil for nothing
	careful bool    // whether it matters when that fails
	journal Journal // says why when it takes too long
}

// await waits until the write is on disk.
func (c pledge) await() error {
	if c.commit == nil {
		return nil
	}
	timeout := time.NewTimer(diskTimeout)
	defer timeout.Stop()
	select {
	case <-c.done:
		return c.err
	case <-timeout.C:
		err := fmt.Errorf("not on disk after %v", diskTimeout)
		if why := c.journal.Err(); why != nil {
			err = fmt.Errorf("%w: %w", err, why)
		}
		return err
	}
}

// care is what a write asks of the disk.
type care uint8

const (
	careless care = iota // it gets there in time: its host will say it again
	trying               // the removal of a lease: waited for, but never refused
	careful              // on disk before the answer, or refused
)

// carePut returns what a write asks of the disk: a lease that replaces nothing but a lease
// asks for nothing.
func carePut(prev *Node, o PutOptions) care {
	if o.TTL != 0 && !o.Dir && (prev == nil || prev.HasLease()) {
		return careless
	}
	return careful
}

// careDir is carePut for a directory that is there: its heartbeats ask for nothing.
func careDir(prev *Node, o PutOptions) care {
	if o.TTL != 0 && prev.HasLease() && (o.Refresh || o.TTL == prev.TTL()) {
		return careless
	}
	return careful
}

// careRemoval is carePut for a removal.
func careRemoval(n *Node) care {
	if n.HasLease() && !n.IsDir() {
		return trying
	}
	return careful
}

// careLocked says what the write under way asks of the disk, before it has changed anything,
// and returns why that cannot be.
func (s *Store) careLocked(c care) *Error {
	if s.journal == nil || c == careless {
		return nil
	}
	err := s.journal.Err()
	switch {
	case err == nil:
		s.care = c
		return nil
	case c == trying:
		return nil
	default:
		return &Error{Code: CodeNotKept, Cause: err.Error() + "; nothing was changed"}
	}
}

// pledgeLocked returns what the write that was just done has to wait for.
func (s *Store) pledgeLocked() pledge {
	if s.care == careless {
		return pledge{}
	}
	s.unsaved.sync = true
	s.unsaved.call()
	return pledge{s.unsaved.next, s.care == careful, s.journal}
}
