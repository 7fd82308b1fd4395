package registry

import (
	"context"
	"fmt"
	"sync"
)

// WatchOptions say what a watch sees.
type WatchOptions struct {
	// Since is the first index of interest (v2's waitIndex); 0 means from now on.
	Since uint64
	// Recursive includes the events below the key, hidden names left out.
	Recursive bool
	// Stream keeps the watch going after its first event.
	Stream bool
}

// Watch follows the events of a key, in order, each once, with no gap. Its reader
// calls Next from one goroutine and Close at the end.
type Watch struct {
	// StartIndex is the node's index when the watch began. What happened up to it
	// and from Since on is delivered first.
	StartIndex uint64

	store *Store
	key   Key
	opts  WatchOptions
	pos   int // among the watches of the key, -1 when it is off; guarded by store.mu

	mu    sync.Mutex // below store.mu: may be taken while that is held
	queue []*Notice
	limit int // unread events allowed: what the history gave it comes on top
	lost  *Error
	ready chan struct{} // one slot: something to see in queue or lost
}

// Watch begins a watch. The error is an [*Error] with [CodeIndexCleared] when
// events from o.Since on may be lost: because the history no longer reaches back
// that far, or because the index is of another node or of an earlier run of this
// one. The reader then has to list again. It is one with [CodeLimit] when the watch would
// have to wait and [Limits.Watches] are waiting.
func (s *Store) Watch(key Key, o WatchOptions) (*Watch, error) {
	w := &Watch{store: s, key: key, opts: o, pos: -1, ready: make(chan struct{}, 1)}
	seen := uint64(0)
	if o.Since > 0 {
		past, index, err := s.lookBack(key, o)
		if err != nil {
			return nil, err
		}
		w.enqueue(past)
		if seen = index; len(w.queue) > 0 && !o.Stream {
			w.StartIndex = index
			s.stats.watches.Add(1)
			return w, nil
		}
	}
	if err := s.join(w, seen); err != nil {
		return nil, err
	}
	s.stats.watches.Add(1)
	return w, nil
}

// lookBack returns the events of the past that concern a watch, and the node's index
// then. Only one watch looks at a time: when thousands come back at once, after a
// failover, they wait for each other and not the heartbeats for them.
func (s *Store) lookBack(key Key, o WatchOptions) ([]*Event, uint64, error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	events, index, err := s.past(key, o.Since)
	if err != nil {
		return nil, 0, err
	}
	return pick(events, key, o.Recursive), index, nil
}

// past returns the events on a key from an index on, unsorted and unfiltered: looking
// through them is not for the time of the mutex. It returns the node's index, too.
func (s *Store) past(key Key, since uint64) ([]*Event, uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.checkSinceLocked(key, since); err != nil {
		return nil, 0, err
	}
	return s.history.from(since, key), s.index.last, nil
}

// join lets a watch take part from now on, with what has happened since it has looked
// at the past, at index seen (0: it has not).
func (s *Store) join(w *Watch, seen uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen > 0 {
		if s.history.lostBefore(w.key) > seen {
			return s.clearedLocked(w.key, seen+1)
		}
		w.enqueue(pick(s.history.from(max(seen+1, w.opts.Since), w.key), w.key, w.opts.Recursive))
	}
	w.StartIndex = s.index.last
	w.limit = s.watchQueue + len(w.queue)
	if len(w.queue) > 0 && !w.opts.Stream {
		return nil
	}
	if n := s.hub.n + 1; exceeds(n, s.limits.Watches) {
		return s.refuseLocked(LimitWatches, int64(n), int64(s.limits.Watches))
	}
	s.hub.add(w)
	return nil
}

// enqueue adds events of the past: all of them for a stream, else the first.
func (w *Watch) enqueue(events []*Event) {
	if !w.opts.Stream && len(events) > 1 {
		events = events[:1]
	}
	for _, e := range events {
		w.queue = append(w.queue, &Notice{Event: e})
	}
}

// checkSinceLocked refuses an index from which on this node cannot tell every event.
// An index without a tag is no node's: it asks for all there has been.
func (s *Store) checkSinceLocked(key Key, since uint64) error {
	lost := s.history.lostBefore(key)
	switch indexTag(since) {
	case 0:
		if lost < s.start {
			return nil
		}
	case s.index.tag:
		if since > lost {
			return nil
		}
	}
	return s.clearedLocked(key, since)
}

func (s *Store) clearedLocked(key Key, since uint64) error {
	return &Error{
		Code:  CodeIndexCleared,
		Cause: fmt.Sprintf("the requested history has been cleared [%d/%d]", s.history.lostBefore(key)+1, since),
		Index: s.index.last,
	}
}

// Next returns the next event and waits for one if need be. It fails with the
// context's error, or with an [*Error] of [CodeIndexCleared] when the reader was so
// slow that events had to be dropped: the watch has ended then. After the one event
// of a watch that is no stream there is nothing to wait for but the context's end.
func (w *Watch) Next(ctx context.Context) (*Notice, error) {
	for {
		if e, err := w.take(); e != nil || err != nil {
			return e, err
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (w *Watch) take() (*Notice, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost != nil {
		return nil, w.lost
	}
	if len(w.queue) == 0 {
		return nil, nil //nolint:nilnil // nothing yet, and nothing wrong
	}
	e := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	return e, nil
}

// Close ends the watch; it may be called more than once.
func (w *Watch) Close() {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.hub.remove(w)
}

// deliver queues a notice and tells whether the watch goes on. It never blocks: a
// reader that leaves too many events unread loses its place.
func (w *Watch) deliver(n *Notice) (goesOn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.signal()
	if len(w.queue) >= w.limit {
		w.lost = &Error{
			Code:  CodeIndexCleared,
			Cause: fmt.Sprintf("the watch was too slow: %d events were not read in time", len(w.queue)),
			Index: n.Index(),
		}
		w.queue = nil
		w.store.stats.watchesLost.Add(1)
		return false
	}
	w.queue = append(w.queue, n)
	return w.opts.Stream
}

func (w *Watch) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}
