package client

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
)

// nodeFunc is how a fake node answers a request.
type nodeFunc func(*http.Request) (*http.Response, error)

// fakeNodes is a transport to nodes that live in this process, by host. Nobody listens at other hosts. It notes all
// requests, so that tests can tell who was asked.
type fakeNodes struct {
	mu    sync.Mutex
	nodes map[string]nodeFunc
	asked []string // "host METHOD /path?query"
}

func (f *fakeNodes) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	node := f.nodes[req.URL.Host]
	f.asked = append(f.asked, req.URL.Host+" "+req.Method+" "+req.URL.RequestURI())
	f.mu.Unlock()
	if node == nil {
		return refused(req)
	}
	return node(req)
}

// set replaces a node.
func (f *fakeNodes) set(host string, node nodeFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[host] = node
}

// takeAsked returns the requests since the last call.
func (f *fakeNodes) takeAsked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// newFake returns a client of the nodes a, b, c, ... in this order, as many as are given.
func newFake(t *testing.T, opts Options, nodes ...nodeFunc) (*Client, *fakeNodes) {
	t.Helper()
	f := &fakeNodes{nodes: map[string]nodeFunc{}}
	var endpoints []string
	for i, node := range nodes {
		host := string(rune('a' + i))
		f.nodes[host] = node
		endpoints = append(endpoints, "http://"+host)
	}
	opts.Transport = f
	c, err := New(endpoints, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// replies gives one answer after the other, then the last for ever.
func replies(nodes ...nodeFunc) nodeFunc {
	var mu sync.Mutex
	next := 0
	return func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		node := nodes[min(next, len(nodes)-1)]
		next++
		mu.Unlock()
		return node(req)
	}
}

// says answers with a status, an index and a body.
func says(status int, index uint64, body string) nodeFunc {
	return saysReader(status, index, strings.NewReader(body))
}

func saysReader(status int, index uint64, body io.Reader) nodeFunc {
	return func(req *http.Request) (*http.Response, error) {
		header := http.Header{}
		if index > 0 {
			header.Set("X-Etcd-Index", strconv.FormatUint(index, 10))
		}
		header.Set("X-Etcd-Cluster-Id", "cafe")
		if seeker, ok := body.(io.Seeker); ok {
			_, _ = seeker.Seek(0, io.SeekStart)
		}
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(body), Request: req}, nil
	}
}

// sets answers a write of /k.
func sets(index uint64) nodeFunc {
	return says(http.StatusOK, index, fmt.Sprintf(`{"action":"set","node":{"key":"/k","value":"v","modifiedIndex":%d,"createdIndex":%d}}`, index, index))
}

// refuses answers with a v2 error.
func refuses(status int, code Code) nodeFunc {
	return says(status, 9, fmt.Sprintf(`{"errorCode":%d,"message":"m","cause":"/k","index":9}`, code))
}

// refused is a node where nobody listens: the request is never sent.
func refused(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// cut is a node that takes the request and breaks the connection.
func cut(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
}

// hangs is a node that takes the request and says nothing.
func hangs(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// silentPoll is a node where nothing changes: headers at once, and a body that never comes.
func silentPoll(index uint64) nodeFunc {
	return func(req *http.Request) (*http.Response, error) {
		return saysReader(http.StatusOK, index, untilDone{req.Context()})(req)
	}
}

// brokenPoll sends part of a body and breaks.
func brokenPoll(index uint64, part string) nodeFunc {
	return func(req *http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader(part), iotest.ErrReader(io.ErrUnexpectedEOF))
		return saysReader(http.StatusOK, index, body)(req)
	}
}

// untilDone is a body without a byte, which ends with the request.
type untilDone struct {
	ctx context.Context //nolint:containedctx // It stands for the connection, which ends with the request.
}

func (u untilDone) Read([]byte) (int, error) {
	<-u.ctx.Done()
	return 0, u.ctx.Err()
}
