package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"rollcall/registry"
)

// status maps an error code to HTTP as etcd does.
func status(err *registry.Error) int {
	switch err.Code {
	case registry.CodeKeyNotFound:
		return http.StatusNotFound
	case registry.CodeNotFile, registry.CodeDirNotEmpty:
		return http.StatusForbidden
	case registry.CodeTestFailed, registry.CodeNodeExist:
		return http.StatusPreconditionFailed
	case registry.CodeLimit:
		return statusOfLimit(err.Limit)
	case registry.CodeNotKept:
		return http.StatusInternalServerError
	case registry.CodeNotReady:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// errorBody is an error as clients read it.
type errorBody struct {
	Code    registry.Code `json:"errorCode"`
	Message string        `json:"message"`
	Cause   string        `json:"cause,omitempty"`
	Index   uint64        `json:"index"`
}

func encodeError(err *registry.Error) []byte {
	b, _ := json.Marshal(errorBody{err.Code, err.Code.String(), err.Cause, err.Index}) //nolint:errchkjson // strings and numbers
	return append(b, '\n')
}

// writeError answers with an error. One that is not of the v2 API becomes
// CodeInvalidForm: it can only come from reading the request.
func (a *api) writeError(w http.ResponseWriter, err error) {
	var v2 *registry.Error
	if !errors.As(err, &v2) {
		v2 = &registry.Error{Code: registry.CodeInvalidForm, Cause: err.Error()}
	}
	code := status(v2)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		code = http.StatusRequestEntityTooLarge
	}
	if v2.Limit == registry.LimitWatches {
		a.writeRefusal(w, &refusal{v2, code, retryAfter})
		return
	}
	a.writeErrorAs(w, code, v2)
}

// writeRefusal answers with an error that goes away by itself.
func (a *api) writeRefusal(w http.ResponseWriter, r *refusal) {
	w.Header()["Retry-After"] = []string{strconv.Itoa(r.after)}
	r.v2.Index = a.store.Index()
	a.writeErrorAs(w, r.status, r.v2)
}

func (a *api) writeErrorAs(w http.ResponseWriter, code int, err *registry.Error) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["X-Etcd-Cluster-Id"] = a.clusterID
	h["X-Etcd-Index"] = []string{strconv.FormatUint(err.Index, 10)}
	w.WriteHeader(code)
	w.Write(encodeError(err)) //nolint:errcheck // the client is gone then
}

// statusOfLimit returns the status of a refusal by one of the store's limits.
func statusOfLimit(l registry.Limit) int {
	if l == registry.LimitWatches {
		return http.StatusServiceUnavailable // another node may have room
	}
	return http.StatusForbidden // as other refusals that no retry gets around
}
