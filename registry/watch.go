package registry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/btree"
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
	queue []*Event
	limit int // unread events allowed: what the history gave it comes on top
	lost  *Error
	ready chan struct{} // one slot: something to see in queue or lost
}

// Watch begins a watch. The error is an [*Error] with [CodeIndexCleared] when
// events from o.Since on may be lost: because the history no longer reaches back
// that far, or because the index is of another node or of an earlier run of this
// one. The reader then has to list again.
func (s *Store) Watch(key Key, o WatchOptions) (*Watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &Watch{StartIndex: s.index.last, store: s, key: key, opts: o, pos: -1, ready: make(chan struct{}, 1)}
	if o.Since > 0 {
		if err := s.checkSinceLocked(key, o.Since); err != nil {
			return nil, err
		}
		limit := 1
		if o.Stream {
			limit = 0
		}
		w.queue = s.history.since(o.Since, key, o.Recursive, limit)
	}
	w.limit = s.watchQueue + len(w.queue)
	if len(w.queue) == 0 || o.Stream {
		s.hub.add(w)
	}
	s.stats.watches.Add(1)
	return w, nil
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
	return &Error{
		Code:  CodeIndexCleared,
		Cause: fmt.Sprintf("the requested history has been cleared [%d/%d]", lost+1, since),
		Index: s.index.last,
	}
}

// Next returns the next event and waits for one if need be. It fails with the
// context's error, or with an [*Error] of [CodeIndexCleared] when the reader was so
// slow that events had to be dropped: the watch has ended then. After the one event
// of a watch that is no stream there is nothing to wait for but the context's end.
func (w *Watch) Next(ctx context.Context) (*Event, error) {
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

func (w *Watch) take() (*Event, error) {
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

// deliver queues an event and tells whether the watch goes on. It never blocks: a
// reader that leaves too many events unread loses its place.
func (w *Watch) deliver(e *Event) (goesOn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.signal()
	if len(w.queue) >= w.limit {
		w.lost = &Error{
			Code:  CodeIndexCleared,
			Cause: fmt.Sprintf("the watch was too slow: %d events were not read in time", len(w.queue)),
			Index: e.Index(),
		}
		w.queue = nil
		w.store.stats.watchesLost.Add(1)
		return false
	}
	w.queue = append(w.queue, e)
	return w.opts.Stream
}

func (w *Watch) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// hub finds the watches that an event concerns. It is guarded by the store's mutex.
type hub struct {
	byKey btree.Map[Key, []*Watch]
	n     int
}

func (h *hub) add(w *Watch) {
	list, _ := h.byKey.Get(w.key)
	w.pos = len(list)
	h.byKey.Set(w.key, append(list, w))
	h.n++
}

func (h *hub) remove(w *Watch) {
	if w.pos < 0 {
		return
	}
	list, _ := h.byKey.Get(w.key)
	last := len(list) - 1
	list[last].pos = w.pos
	list[w.pos] = list[last]
	list[last] = nil
	w.pos = -1
	h.n--
	if last == 0 {
		h.byKey.Delete(w.key)
		return
	}
	h.byKey.Set(w.key, list[:last])
}

// notify delivers an event to all watches that it concerns.
func (h *hub) notify(e *Event) {
	if h.n == 0 {
		return
	}
	for key := e.Node.Key; ; key = key.Parent() {
		h.notifyKey(key, e)
		if key == Root {
			break
		}
	}
	if e.removesDir() {
		for _, key := range h.keysBelow(e.Node.Key) {
			h.notifyKey(key, e)
		}
	}
}

func (h *hub) notifyKey(key Key, e *Event) {
	list, _ := h.byKey.Get(key)
	for _, w := range slices.Backward(list) {
		if e.Index() < w.opts.Since || !e.concerns(key, w.opts.Recursive) {
			continue
		}
		if !w.deliver(e) {
			h.remove(w)
		}
	}
}

func (h *hub) keysBelow(dir Key) []Key {
	var keys []Key
	prefix := string(dir) + "/"
	h.byKey.Ascend(Key(prefix), func(key Key, _ []*Watch) bool {
		if !strings.HasPrefix(string(key), prefix) {
			return false
		}
		keys = append(keys, key)
		return true
	})
	return keys
}
