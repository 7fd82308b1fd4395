package httpapi

import (
	"errors"
	"net/http"
	"time"

	"rollcall/registry"
)

// watchWriteTimeout is how long a client may take to accept one event before its
// connection is given up.
const watchWriteTimeout = 30 * time.Second

// watch serves a long poll or a stream. The headers go out at once, so the status is
// 200 whatever follows; the server sets no end. A stream whose reader lost its place
// ends with the error as its last document.
func (a *api) watch(w http.ResponseWriter, r *http.Request, key registry.Key, p params) {
	watch, err := a.store.Watch(key, registry.WatchOptions{
		Since: p.waitIndex, Recursive: p.recursive, Stream: p.stream,
	})
	if err != nil {
		a.writeError(w, err)
		return
	}
	defer watch.Close()
	// The deadlines of ordinary requests do not hold here. Where they cannot be set
	// there are none.
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Time{})
	_ = conn.SetWriteDeadline(time.Time{})
	a.header(w, watch.StartIndex)
	w.WriteHeader(http.StatusOK)
	if conn.Flush() != nil {
		return
	}
	for {
		e, err := watch.Next(r.Context())
		var lost *registry.Error
		switch {
		case errors.As(err, &lost):
			w.Write(encodeError(lost)) //nolint:errcheck // it is the last word anyway
			return
		case err != nil: // the client went away, or the server stops
			return
		}
		_ = conn.SetWriteDeadline(time.Now().Add(watchWriteTimeout))
		if _, err := w.Write(render(e)); err != nil || !p.stream || conn.Flush() != nil {
			return
		}
		_ = conn.SetWriteDeadline(time.Time{})
	}
}

// render encodes an event once for all its watches.
func render(e *registry.Event) []byte {
	return e.Rendering.Get(e.At(), func() ([]byte, time.Time) {
		return appendEvent(nil, e), time.Time{}
	})
}
