package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/registry/client"
)

// An upsync does what nginx-upsync-module does with upsync_type=etcd, which lets nginx follow a registry without lbsync:
// https://github.com/weibocom/nginx-upsync-module, src/ngx_http_upsync_module.c, the functions ngx_http_upsync_send_handler,
// _etcd_parse_init, _check_index, _etcd_parse_json and _check_key.
type upsync struct {
	t    *testing.T
	host string // HOST:PORT of the node
	path string
	// print writes an index into a request: releases differ in that.
	print func(index uint64) string
	index uint64
	// peers are the servers that nginx has, with their weights, negative for down. They are never emptied.
	peers map[string]int
}

// poll sends one request and takes in the answer. It tells whether that was a list; after anything else the module asks
// again, from the start when its index is 0.
func (u *upsync) poll() (listed bool) {
	u.t.Helper()
	status, header, body := u.send()
	u.index = 0
	if text, ok := exactHeader(header, "X-Etcd-Index"); ok {
		index, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			u.t.Fatalf("X-Etcd-Index %q", text)
		}
		u.index = index
	}
	u.index++ // Where to go on. Without the header it is 1.
	if !strings.HasPrefix(status, "OK") && !strings.HasPrefix(status, "Bad") {
		return false // The module looks at the words of the status.
	}
	return u.parse(body)
}

// send is one connection: the module writes HTTP/1.0 and reads until the node closes.
func (u *upsync) send() (status string, header, body []byte) {
	u.t.Helper()
	query := " HTTP/1.0\r\n"
	if u.index != 0 {
		query = "wait=true&recursive=true&waitIndex=" + u.print(u.index) + query
	}
	conn, err := (&net.Dialer{}).DialContext(u.t.Context(), "tcp", u.host)
	if err != nil {
		u.t.Error(err)
		return "", nil, nil
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		u.t.Error(err)
	}
	fmt.Fprintf(conn, "GET %s?%sHost: %s\r\nAccept: */*\r\n\r\n", u.path, query, u.host)
	answer, err := io.ReadAll(conn)
	if err != nil {
		u.t.Errorf("the node does not close: %v", err)
	}
	header, body, _ = bytes.Cut(answer, []byte("\r\n\r\n"))
	line, header, _ := bytes.Cut(header, []byte("\r\n"))
	words := strings.SplitN(string(line), " ", 3)
	if _, chunked := exactHeader(header, "Transfer-Encoding"); chunked || len(words) != 3 {
		u.t.Errorf("the module cannot read this: %s\n%s", line, header) // It keeps the last chunk alone.
		return "", nil, nil
	}
	if n := bytes.Count(header, []byte("\r\n")) + 1; n > 20 {
		u.t.Errorf("%d header lines, and the module has room for 20", n) // NGX_MAX_HEADERS
	}
	return words[2], header, body
}

// exactHeader finds a header line with the name in just that case.
func exactHeader(header []byte, name string) (string, bool) {
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value, true
		}
	}
	return "", false
}

func (u *upsync) parse(body []byte) (listed bool) {
	u.t.Helper()
	var answer struct {
		ErrorCode int
		Action    string
		Node      *client.Node
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		u.t.Errorf("not JSON: %v\n%s", err, body)
		return false
	}
	switch {
	case answer.ErrorCode == 401, answer.ErrorCode == 0 && answer.Action != "get":
		u.index = 0
		return false
	case answer.ErrorCode != 0 || answer.Node == nil || answer.Node.Nodes == nil:
		return false
	}
	peers := map[string]int{}
	for _, n := range answer.Node.Nodes {
		name := n.Key[strings.LastIndex(n.Key, "/")+1:]
		if !checkUpsyncKey(name) {
			continue
		}
		value := struct{ Weight, Down int }{Weight: 1}
		if err := json.Unmarshal([]byte(n.Value), &value); err != nil && n.Value != "" {
			continue
		}
		if value.Down == 1 {
			value.Weight *= -1
		}
		peers[name] = value.Weight
	}
	if len(peers) > 0 {
		u.peers = peers
	}
	return true
}

func checkUpsyncKey(name string) bool {
	host, port, err := net.SplitHostPort(name)
	n, _ := strconv.Atoi(port)
	return err == nil && net.ParseIP(host).To4() != nil && n >= 1 && n <= 65535
}

// follow polls until the peers are the wanted ones, and returns how many requests that took.
func (u *upsync) follow(want map[string]int) (requests int) {
	u.t.Helper()
	for requests = 1; requests <= 10; requests++ {
		if u.poll(); maps.Equal(u.peers, want) {
			return requests
		}
	}
	u.t.Fatalf("after ten requests: %s", cmp.Diff(want, u.peers))
	return 0
}

const upsyncDir = "/upstreams/test"

func newUpsync(t *testing.T, node string, printIndex func(uint64) string) *upsync {
	t.Helper()
	return &upsync{t: t, host: strings.TrimPrefix(node, "http://"), path: "/v2/keys" + upsyncDir, print: printIndex}
}

// printUL is the module's "%uL"; printD is the "%d" of older releases, which takes 32 bits.
func printUL(index uint64) string { return strconv.FormatUint(index, 10) }
func printD(index uint64) string  { return strconv.Itoa(int(int32(index))) } //nolint:gosec // It is what the module does.

// nginx with the module follows a node: one long poll wakes for each change, and one request fetches what has changed.
func TestUpsync(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, nodeConfig{name: "n1"})
	c := newTestClient(t, n.URL())
	u := newUpsync(t, n.URL(), printUL)
	set(t, c, upsyncDir+"/10.0.0.1:80", `{"weight":1,"max_fails":2,"fail_timeout":10}`)
	set(t, c, upsyncDir+"/not-an-address", `{"weight":1}`)
	if !u.poll() || !maps.Equal(u.peers, map[string]int{"10.0.0.1:80": 1}) {
		t.Fatalf("peers %v", u.peers)
	}
	for _, change := range []struct {
		name string
		do   func()
		want map[string]int
	}{
		{"a server more", func() { set(t, c, upsyncDir+"/10.0.0.2:80", `{"weight":3}`) }, map[string]int{"10.0.0.1:80": 1, "10.0.0.2:80": 3}},
		{"another weight", func() { set(t, c, upsyncDir+"/10.0.0.2:80", `{"weight":5}`) }, map[string]int{"10.0.0.1:80": 1, "10.0.0.2:80": 5}},
		{"down", func() { set(t, c, upsyncDir+"/10.0.0.1:80", `{"weight":1,"down":1}`) }, map[string]int{"10.0.0.1:80": -1, "10.0.0.2:80": 5}},
		{"removed", func() { remove(t, c, upsyncDir+"/10.0.0.1:80") }, map[string]int{"10.0.0.2:80": 5}},
		{"with a lease", func() {
			if _, err := c.Set(t.Context(), upsyncDir+"/10.0.0.3:80", "", client.SetOptions{TTL: time.Second}); err != nil {
				t.Error(err)
			}
		}, map[string]int{"10.0.0.2:80": 5, "10.0.0.3:80": 1}},
		{"expired", func() {}, map[string]int{"10.0.0.2:80": 5}},
	} {
		polled := make(chan int)
		go func() { polled <- u.follow(change.want) }()
		change.do()
		if requests := <-polled; requests > 3 {
			t.Errorf("%s: took %d requests", change.name, requests)
		}
	}
}

// A module that comes from another node, or from an earlier run of this one, lists again.
func TestUpsyncComesFromElsewhere(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, nodeConfig{name: "n1"})
	set(t, newTestClient(t, n.URL()), upsyncDir+"/10.0.0.1:80", "")
	for _, foreign := range []uint64{1<<53 - 1, 1 << 48} {
		u := newUpsync(t, n.URL(), printUL)
		u.index = foreign
		if got := u.follow(map[string]int{"10.0.0.1:80": 1}); got != 2 {
			t.Errorf("from %d: %d requests", foreign, got)
		}
	}
}

// Our indexes have more than 32 bits. A module that cuts them off has no use of waiting: it lists, at every interval.
func TestUpsyncOf32Bits(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, nodeConfig{name: "n1"})
	c := newTestClient(t, n.URL())
	u := newUpsync(t, n.URL(), printD)
	want := map[string]int{}
	for i := range 5 {
		name := fmt.Sprintf("10.0.0.%d:80", i+1)
		set(t, c, upsyncDir+"/"+name, "")
		want[name] = 1
		if requests := u.follow(want); requests > 3 {
			t.Errorf("%d requests for a change", requests)
		}
	}
}

// Before the first server registers, the module keeps the peers of its file.
func TestUpsyncWithoutServers(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, nodeConfig{name: "n1"})
	u := newUpsync(t, n.URL(), printUL)
	u.peers = map[string]int{"10.0.0.9:80": 1}
	if u.poll() || len(u.peers) != 1 {
		t.Errorf("peers %v", u.peers)
	}
	if answer := request(t, http.MethodGet, n.URL()+u.path, ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", answer.StatusCode)
	}
	set(t, newTestClient(t, n.URL()), upsyncDir+"/10.0.0.1:80", "")
	u.follow(map[string]int{"10.0.0.1:80": 1})
}
