package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"rollcall/registry/backup"
)

// backup streams the state of one moment in the format of package backup. A stream that breaks
// off, since the client does not read or the server stops, is not complete, and shows it.
func (a *api) backup(w http.ResponseWriter, _ *http.Request) {
	if a.refuses(w) {
		return
	}
	snap := a.store.Snapshot()
	h := w.Header()
	h["Content-Type"] = []string{"application/octet-stream"}
	h["X-Etcd-Cluster-Id"] = a.clusterID
	h["X-Etcd-Index"] = []string{strconv.FormatUint(snap.Index, 10)}
	w.WriteHeader(http.StatusOK)
	to := &patientWriter{w, http.NewResponseController(w), a.opts.watchWriteTimeout}
	if backup.Write(to, snap, backup.Origin{Node: a.opts.Name, Cluster: a.opts.Cluster}) != nil {
		panic(http.ErrAbortHandler) // the client is gone; and if it is not, it must see that this is not the end
	}
}

// patientWriter gives each Write a time-out of its own, whatever the whole takes.
type patientWriter struct {
	w       http.ResponseWriter
	conn    *http.ResponseController
	timeout time.Duration
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.timeout)) // where it cannot be set there is none
	return p.w.Write(b)
}
