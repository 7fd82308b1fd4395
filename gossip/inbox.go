package gossip

import (
	"context"
	"sync"
	"time"
)

// inboxBytes bounds what waits to be applied from one peer.
const inboxBytes = 2 << 20

// inboxWait is how long a message waits for room. Meanwhile its stream stays open, which
// slows its sender down.
const inboxWait = 2 * time.Second

// inbox hands the messages of one peer over to the goroutine that applies them, in the
// order of their arrival.
type inbox struct {
	filled chan struct{} // one slot: queue is not empty
	freed  chan struct{} // one slot: there may be room

	mu    sync.Mutex
	queue []frame
	bytes int
}

func newInbox() *inbox {
	return &inbox{filled: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// put hands a message over. It reports false if there was no room for some time, or
// until stop.
func (b *inbox) put(f frame, stop <-chan struct{}) bool {
	if b.add(f) {
		return true
	}
	timeout := time.NewTimer(inboxWait)
	defer timeout.Stop()
	for {
		select {
		case <-b.freed:
			if b.add(f) {
				return true
			}
		case <-timeout.C:
			return b.add(f)
		case <-stop:
			return false
		}
	}
}

// add adds a message if there is room, and passes on that there is more room.
func (b *inbox) add(f frame) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes > 0 && b.bytes+len(f.body) > inboxBytes {
		return false
	}
	b.queue = append(b.queue, f)
	b.bytes += len(f.body) + frameHead
	fill(b.filled)
	if b.bytes < inboxBytes {
		fill(b.freed)
	}
	return true
}

// next takes the oldest message.
func (b *inbox) next() (frame, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.queue = nil
		return frame{}, false
	}
	f := b.queue[0]
	b.queue[0] = frame{}
	b.queue = b.queue[1:]
	b.bytes -= len(f.body) + frameHead
	fill(b.freed)
	return f, true
}

// run calls handle with each message until stop or the context ends.
func (b *inbox) run(ctx context.Context, stop <-chan struct{}, handle func(frame)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case <-b.filled:
		}
		for f, ok := b.next(); ok && ctx.Err() == nil; f, ok = b.next() {
			handle(f)
		}
	}
}

// fill fills a channel with one slot.
func fill(slot chan struct{}) {
	select {
	case slot <- struct{}{}:
	default:
	}
}
