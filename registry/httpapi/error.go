package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"rollcall/registry"
)

// status maps an error code to HTTP as etcd does.
func status(code registry.Code) int {
	switch code {
	case registry.CodeKeyNotFound:
		return http.StatusNotFound
	case registry.CodeNotFile, registry.CodeDirNotEmpty:
		return http.StatusForbidden
	case registry.CodeTestFailed, registry.CodeNodeExist:
		return http.StatusPreconditionFailed
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
	code := status(v2.Code)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		code = http.StatusRequestEntityTooLarge
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h["X-Etcd-Cluster-Id"] = a.clusterID
	h["X-Etcd-Index"] = []string{strconv.FormatUint(v2.Index, 10)}
	w.WriteHeader(code)
	w.Write(encodeError(v2)) //nolint:errcheck // the client is gone then
}
