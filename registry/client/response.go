package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The actions that an answer or a change can have.
const (
	ActionGet              = "get"
	ActionSet              = "set"
	ActionCreate           = "create"
	ActionUpdate           = "update"
	ActionDelete           = "delete"
	ActionCompareAndSwap   = "compareAndSwap"
	ActionCompareAndDelete = "compareAndDelete"
	ActionExpire           = "expire"
)

// Response is a node's answer, or one change in a watch.
type Response struct {
	// Action is what was done, one of the Action constants.
	Action string `json:"action"`
	// Node is the key after it was done; of a removal it has key and indexes alone. nil when a write asked for
	// NoValueOnSuccess.
	Node *Node `json:"node"`
	// PrevNode is the key as it was before, or nil when it was not there.
	PrevNode *Node `json:"prevNode"`

	// Index is the node's index when it answered (X-Etcd-Index): watch a listing from here. Of a change it is the
	// index at which the poll began, which may be lower than the change's own Node.ModifiedIndex.
	Index uint64 `json:"-"`
	// ClusterID is what the node says its cluster is (X-Etcd-Cluster-Id); it may be empty.
	ClusterID string `json:"-"`
	// Endpoint is the URL of the node that answered. Index means something at this node only.
	Endpoint string `json:"-"`
	// Raw is the answer as it came, JSON.
	Raw []byte `json:"-"`
}

// Node is a key: a file with a value, or a directory.
type Node struct {
	// Key starts with a slash. The root's is empty.
	Key string `json:"key"`
	// Value is empty for a directory.
	Value string `json:"value"`
	Dir   bool   `json:"dir"`
	// Nodes are the children of a directory, when the request asked for them. Hidden ones are left out.
	Nodes []*Node `json:"nodes"`
	// TTL is the time left, in seconds rounded up; 0 when the key lives until it is removed.
	TTL int64 `json:"ttl"`
	// Expiration is the end of that time by the node's clock; zero when there is none.
	Expiration time.Time `json:"expiration"`
	// ModifiedIndex and CreatedIndex are 0 for the root.
	ModifiedIndex uint64 `json:"modifiedIndex"`
	CreatedIndex  uint64 `json:"createdIndex"`
}

// errNoAnswer marks what is not an answer of the keys API at all: a proxy's page, half a body, another service.
var errNoAnswer = errors.New("not an answer of the keys API")

// errSpeaksTLS says what to do about a node that speaks TLS where plain HTTP was tried; speaksTLS is how net/http's
// servers begin their answer then.
var (
	errSpeaksTLS = fmt.Errorf("%w: the node speaks TLS, use https://", errNoAnswer)
	speaksTLS    = []byte("Client sent an HTTP request to an HTTPS server")
)

// decoder turns a complete HTTP answer into a Response or the node's Error.
type decoder func(header http.Header, status int, body []byte) (*Response, error)

// decode is the decoder of the keys API. Errors other than the node's mean that this is no registry.
func decode(header http.Header, status int, body []byte) (*Response, error) {
	if status < 200 || status > 299 {
		return nil, decodeError(status, body)
	}
	r := &Response{Raw: body, ClusterID: header.Get("X-Etcd-Cluster-Id")}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if r.Action == "" {
		return nil, fmt.Errorf("%w: no action", errNoAnswer)
	}
	r.Index = headerIndex(header)
	return r, nil
}

func decodeError(status int, body []byte) error {
	e := &Error{Status: status}
	if err := json.Unmarshal(body, e); err != nil || e.Code == 0 {
		if status == http.StatusBadRequest && bytes.HasPrefix(body, speaksTLS) {
			return errSpeaksTLS
		}
		return fmt.Errorf("%w: HTTP status %d", errNoAnswer, status)
	}
	return e
}

// headerIndex is 0 when the node does not say.
func headerIndex(header http.Header) uint64 {
	n, err := strconv.ParseUint(header.Get("X-Etcd-Index"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
