package client

import (
	"context"
	"errors"
	"time"
)

// WatchOptions say what to watch and from where.
type WatchOptions struct {
	// AfterIndex is the index of what the caller knows already, mostly that of a listing (Response.Index): the first
	// change is the next one. 0 means from when the first poll reaches a node; what happens before that is not seen.
	AfterIndex uint64
	// Recursive watches all below a directory as well. Without it a directory's children do not count.
	Recursive bool
}

// Watch returns a Watcher of a key or directory. Nothing is sent before the first Next.
func (c *Client) Watch(key string, opts WatchOptions) *Watcher {
	return &Watcher{client: c, key: key, recursive: opts.Recursive, after: opts.AfterIndex, place: c.nodes.first()}
}

// Watcher gives the changes of a key or directory one by one, each once and in order. It holds no connection and no
// goroutine between two calls of Next, so there is nothing to close. It is for one goroutine at a time.
type Watcher struct {
	client    *Client
	key       string
	recursive bool

	after  uint64        // All changes up to this index are known; 0 before the first contact.
	place  int           // The node whose index that is; other requests of the client do not move it.
	failed int           // Polls in a row that failed, or ended at once without a change.
	wait   time.Duration // The pause before the next poll.
	lost   error         // Set once the place is lost.
}

// After is the index up to which all changes have been seen; 0 before the first contact with a node.
func (w *Watcher) After() uint64 { return w.after }

// Next waits for the next change, for as long as it takes. It outlives polls that end without a change, broken
// connections and nodes that fail while another one knows the index.
//
// It returns
//   - a [LostPlaceError] when changes may have been missed. The Watcher is of no more use: list again and make another.
//   - an [UnavailableError] when no node answered in all rounds. The place is kept: call Next again to go on; the
//     pauses between rounds grow by themselves.
//   - the node's [Error] when it refuses the watch.
//   - the context's error when it ends. The place is kept.
func (w *Watcher) Next(ctx context.Context) (*Response, error) {
	if w.lost != nil {
		return nil, w.lost
	}
	var failures []error
	for nodes := len(w.client.nodes.all); len(failures) < w.client.rounds*nodes; {
		if err := w.rest(ctx); err != nil {
			return nil, err
		}
		resp, err := w.poll(ctx)
		failure, isFailure := errors.AsType[*nodeError](err)
		switch {
		case resp != nil:
			w.after, w.failed = resp.Node.ModifiedIndex, 0
			return resp, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case isFailure:
			failures = append(failures, failure)
			w.moveOn(ctx, failure)
		case err != nil:
			return nil, w.refused(err)
		default:
			failures = nil
		}
	}
	return nil, &UnavailableError{Failures: failures[len(failures)-len(w.client.nodes.all):]}
}

// rest waits before a poll, when the last one gave reason to.
func (w *Watcher) rest(ctx context.Context) error {
	if err := sleep(ctx, w.wait); err != nil {
		return err
	}
	w.wait = 0
	return nil
}

// moveOn goes to the next node, and before a new round lets some time pass.
func (w *Watcher) moveOn(ctx context.Context, failure error) {
	w.client.logFailure(ctx, failure)
	w.client.nodes.leave(w.place)
	w.place = w.client.nodes.after(w.place)
	w.failed++
	if n := len(w.client.nodes.all); w.failed%n == 0 {
		w.wait = pause(w.failed / n)
	}
}

// refused remembers a lost place, and leaves other refusals as they are.
func (w *Watcher) refused(err error) error {
	if !IsLostPlace(err) {
		return err
	}
	w.lost = err
	if e, ok := errors.AsType[*Error](err); ok {
		w.lost = &LostPlaceError{After: w.after, Err: e}
	}
	return w.lost
}
