package difftest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Answer is what came of one step.
type Answer struct {
	// Sent is the request with its references replaced. For a document of a watch it is the watch's request.
	Sent   Request
	Status int
	Header http.Header
	Body   []byte
	// Note replaces status and body where there is none: a failed transport, the end of a watch, silence.
	Note string
	// Start and End enclose the exchange, by this machine's clock. Both servers run on it.
	Start, End time.Time
}

func (a Answer) failed(err error) Answer {
	a.End = time.Now()
	a.Note = "failed: " + err.Error()
	return a
}

// Transcript holds one answer a step.
type Transcript []Answer

// document is what references and conditions need of a v2 body.
type document struct {
	ErrorCode int    `json:"errorCode"`
	Action    string `json:"action"`
	Index     uint64 `json:"index"`
	Node      *node  `json:"node"`
	PrevNode  *node  `json:"prevNode"`
}

type node struct {
	Key           string `json:"key"`
	Value         string `json:"value"`
	Dir           bool   `json:"dir"`
	TTL           int64  `json:"ttl"`
	Expiration    string `json:"expiration"`
	ModifiedIndex uint64 `json:"modifiedIndex"`
	CreatedIndex  uint64 `json:"createdIndex"`
	Nodes         []node `json:"nodes"`
}

// document decodes the body; a body that is none gives the zero document.
func (a Answer) document() document {
	var d document
	_ = json.Unmarshal(a.Body, &d)
	return d
}

// modified is the index that a reference to this answer means: its node's, or the header's where there is no node.
func (a Answer) modified() uint64 {
	if d := a.document(); d.Node != nil && d.Node.ModifiedIndex != 0 {
		return d.Node.ModifiedIndex
	}
	return a.headerIndex()
}

func (a Answer) headerIndex() uint64 {
	index, _ := strconv.ParseUint(a.Header.Get("X-Etcd-Index"), 10, 64)
	return index
}
