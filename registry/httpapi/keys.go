package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"rollcall/registry"
)

// Header values that all requests share.
var (
	jsonType = []string{"application/json"}
	raftTerm = []string{"1"} // there is no raft; clients only want a number
)

// keys serves the keys API.
func (a *api) keys(w http.ResponseWriter, r *http.Request) {
	if a.refuses(w) {
		return
	}
	tooFast := a.opts.Guard.isOverRate(r)
	if tooFast && r.Method != http.MethodPut && r.Method != http.MethodDelete {
		a.writeRefusal(w, a.opts.Guard.tooFast(r))
		return
	}
	p, key, err := a.parse(w, r)
	if err != nil {
		a.writeError(w, err)
		return
	}
	switch r.Method {
	case http.MethodPut:
		if tooFast && !a.store.Repeats(key, p.put()) {
			a.writeRefusal(w, a.opts.Guard.tooFast(r))
			return
		}
		e, err := a.store.Put(key, p.put())
		a.writeEvent(w, e, err, p.noValueOnSuccess)
	case http.MethodPost:
		e, err := a.store.CreateInOrder(key, p.put())
		a.writeEvent(w, e, err, p.noValueOnSuccess)
	case http.MethodDelete:
		e, err := a.store.Delete(key, registry.DeleteOptions{
			Dir: p.dir, Recursive: p.recursive, PrevValue: p.prevValue, PrevIndex: p.prevIndex,
		})
		a.writeEvent(w, e, err, false)
	default:
		if p.wait && !p.quorum { // etcd, too, does not wait when asked for a quorum
			a.watch(w, r, key, p)
			return
		}
		a.get(w, key, p)
	}
}

// refuses answers a request, and returns true, if the node is not ready for any.
func (a *api) refuses(w http.ResponseWriter) bool {
	if a.opts.Refuse == nil {
		return false
	}
	err := a.opts.Refuse()
	if err != nil {
		a.writeError(w, &registry.Error{Code: registry.CodeNotReady, Cause: err.Error(), Index: a.store.Index()})
	}
	return err != nil
}

// parse reads a request's parameters and its key.
func (a *api) parse(w http.ResponseWriter, r *http.Request) (params, registry.Key, error) {
	f, err := readForm(w, r, a.opts.MaxBody)
	if err != nil {
		return params{}, "", err
	}
	p, bad := f.check(r.Method)
	if bad != nil {
		return params{}, "", bad
	}
	path := r.URL.Path[len(keysPath):]
	if n := len(path); n > 1 && path[n-1] == '/' {
		path = path[:n-1]
	}
	key, err := registry.ParseKey(path)
	if err != nil {
		return params{}, "", &registry.Error{Code: registry.CodeInvalidField, Cause: err.Error()}
	}
	return p, key, nil
}

// put returns the parameters of a write.
func (p params) put() registry.PutOptions {
	return registry.PutOptions{
		Value: p.value, TTL: p.ttl, Dir: p.dir, Refresh: p.refresh,
		Exist: p.exist, PrevValue: p.prevValue, PrevIndex: p.prevIndex,
	}
}

func (a *api) get(w http.ResponseWriter, key registry.Key, p params) {
	r, err := a.store.Get(key, registry.GetOptions{Recursive: p.recursive})
	if err != nil {
		a.writeError(w, err)
		return
	}
	now := time.Now()
	if r.Rendering == nil {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		*buf = appendGet((*buf)[:0], r.Listing, now)
		a.write(w, http.StatusOK, r.Index, *buf)
		return
	}
	a.write(w, http.StatusOK, r.Index, r.Rendering.Get(now, func() ([]byte, time.Time) {
		return appendGet(make([]byte, 0, sizeOf(r.Listing)), r.Listing, now), nextTick(r.Listing, now)
	}))
}

// writeEvent answers a write.
func (a *api) writeEvent(w http.ResponseWriter, e *registry.Event, err error, withoutNodes bool) {
	if err != nil {
		a.writeError(w, err)
		return
	}
	code := http.StatusOK
	if e.Action == registry.Create || e.Action == registry.Set && e.Prev == nil {
		code = http.StatusCreated
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if withoutNodes {
		*buf = append((*buf)[:0], `{"action":"`+e.Action.String()+"\"}\n"...)
	} else {
		*buf = appendEvent((*buf)[:0], e)
	}
	a.write(w, code, e.Index(), *buf)
}

// chunked is the length from which net/http no longer finds out the length of a body
// by itself.
const chunked = 2048

// write answers with an encoded body.
func (a *api) write(w http.ResponseWriter, code int, index uint64, body []byte) {
	h := a.header(w, index)
	if len(body) >= chunked { // else left out here: a ninth header makes the map grow
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(code)
	w.Write(body) //nolint:errcheck // the client is gone then
}

// header sets the headers of a successful answer.
func (a *api) header(w http.ResponseWriter, index uint64) http.Header {
	h := w.Header()
	value := []string{strconv.FormatUint(index, 10)}
	h["Content-Type"] = jsonType
	h["X-Etcd-Cluster-Id"] = a.clusterID
	h["X-Etcd-Index"] = value
	h["X-Raft-Index"] = value
	h["X-Raft-Term"] = raftTerm
	return h
}
