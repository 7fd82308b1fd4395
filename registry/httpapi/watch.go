package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"

	"rollcall/registry"
)

// watch serves a long poll or a stream. The headers go out at once, so the status is
// 200 whatever follows; the server sets no end. A stream whose reader lost its place
// ends with the error as its last document.
func (a *api) watch(w http.ResponseWriter, r *http.Request, key registry.Key, p params) {
	// net/http notices that a client is gone only when its body has been read.
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, a.opts.MaxBody)); err != nil {
		a.writeError(w, err)
		return
	}
	release, refused := a.opts.Guard.beginWatch(r)
	if refused != nil {
		a.writeRefusal(w, refused)
		return
	}
	defer release()
	watch, err := a.store.Watch(key, registry.WatchOptions{
		Since: p.waitIndex, Recursive: p.recursive, Stream: p.stream,
	})
	if err != nil {
		a.writeError(w, err)
		return
	}
	defer watch.Close()
	conn := http.NewResponseController(w)
	a.header(w, watch.StartIndex)
	w.WriteHeader(http.StatusOK)
	if conn.Flush() != nil {
		return
	}
	// From here on the deadlines of ordinary requests do not hold: none while the watch
	// waits, one for each write. Where they cannot be set there are none.
	_ = conn.SetReadDeadline(time.Time{})
	for {
		n, err := watch.Next(r.Context())
		var lost *registry.Error
		_ = conn.SetWriteDeadline(time.Now().Add(a.opts.watchWriteTimeout))
		switch {
		case errors.As(err, &lost):
			w.Write(encodeError(lost)) //nolint:errcheck // it is the last word anyway
			return
		case err != nil: // the client went away, or the server stops
			return
		}
		if _, err := w.Write(render(n)); err != nil || !p.stream || conn.Flush() != nil {
			return
		}
	}
}

// render encodes an event once for all watches that are told of it.
func render(n *registry.Notice) []byte {
	return n.Rendering.Get(n.At(), func() ([]byte, time.Time) {
		return appendEvent(nil, n.Event), time.Time{}
	})
}
