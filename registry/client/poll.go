package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// pollTime ends a silent poll from our side, so that a node that hangs with its connections open is found in the
	// end. Asking again costs a few hundred bytes.
	pollTime = 5 * time.Minute
	// shortPoll is the length below which a poll that brought nothing is taken as a sign of trouble at the node:
	// the next one waits a little, lest the two spin.
	shortPoll = time.Second
)

// errIndexBehind means that the node has not come to the index that the watcher has seen: it is another node, or it
// has lost its data. Waiting there could take for ever.
var errIndexBehind = errors.New("the node's index is lower")

// poll asks the watcher's node once for the next change. No change and no error means that the poll ended without one.
// A nodeError means that the node failed; other errors are its refusal.
func (w *Watcher) poll(ctx context.Context) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, jitter(pollTime, 0.2))
	defer cancel()
	began := time.Now()
	e := w.client.nodes.all[w.place]
	answer, err := w.open(ctx, e, cancel)
	if err != nil {
		return nil, err
	}
	defer closeBody(answer)
	if answer.StatusCode != http.StatusOK {
		return nil, notPolling(ctx, e, answer)
	}
	if err := w.locate(headerIndex(answer.Header)); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if body = bytes.TrimSpace(body); err != nil || len(body) == 0 {
		w.ended(answer.Header, err == nil, time.Since(began))
		return nil, nil
	}
	return w.change(e, answer, body)
}

// notPolling is the error of an answer that is not 200: the node refuses the watch or has failed.
func notPolling(ctx context.Context, e endpoint, answer *http.Response) error {
	if _, err := readAnswer(ctx, e, answer, decode); err != nil {
		return err
	}
	return &nodeError{endpoint: e, err: fmt.Errorf("%w: HTTP status %d for a watch", errNoAnswer, answer.StatusCode)}
}

// open sends the poll and waits for the headers, which a node sends at once, so they have the time-out of a request.
func (w *Watcher) open(ctx context.Context, e endpoint, cancel context.CancelFunc) (*http.Response, error) {
	r, err := newRequest(http.MethodGet, w.key)
	if err != nil {
		return nil, err
	}
	setFlag(r.query, "wait", true)
	setFlag(r.query, "recursive", w.recursive)
	if w.after > 0 {
		setIndex(r.query, "waitIndex", w.after+1)
	}
	timer := time.AfterFunc(w.client.timeout, cancel)
	answer, err := w.client.send(ctx, e, r)
	if timer.Stop() || err == nil {
		return answer, err
	}
	return nil, &nodeError{endpoint: e, err: fmt.Errorf("no answer within %v", w.client.timeout)}
}

// locate compares the node's index at the begin of the poll with what the watcher knows. A watch from now on takes its
// place from it: whatever happens later has a higher index.
func (w *Watcher) locate(index uint64) error {
	switch {
	case index == 0:
		return nil
	case index < w.after:
		return &LostPlaceError{After: w.after, Err: fmt.Errorf("%w: %d", errIndexBehind, index)}
	case w.after == 0:
		w.after = index
	}
	return nil
}

// ended notes the end of a poll without a change. Had there been a change up to the index at its begin, the node would
// have answered with it; so after a clean end the next poll can ask from there, and a quiet directory does not fall
// out of a busy node's history. After a broken one the change may have been lost on its way.
func (w *Watcher) ended(header http.Header, clean bool, took time.Duration) {
	if clean {
		w.after = max(w.after, headerIndex(header))
	}
	if took >= shortPoll {
		w.failed = 0
		return
	}
	w.failed++
	w.wait = pause(w.failed)
}

// change decodes a change and refuses one that the watcher has seen: the node, or a cache before it, does not keep to
// the contract.
func (w *Watcher) change(e endpoint, answer *http.Response, body []byte) (*Response, error) {
	resp, err := decode(answer.Header, answer.StatusCode, body)
	switch {
	case err != nil:
		return nil, &nodeError{endpoint: e, err: err}
	case resp.Node == nil || resp.Node.ModifiedIndex <= w.after:
		return nil, &nodeError{endpoint: e, err: fmt.Errorf("%w: not a change after index %d", errNoAnswer, w.after)}
	}
	resp.Endpoint = string(e)
	return resp, nil
}
