//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// labTimeout is how long hosts and observers wait for an answer: much less than a
	// TTL, so that a host can go to another node in time.
	labTimeout = 800 * time.Millisecond
	// labPatience is how long others wait: more than a busy machine needs.
	labPatience = 30 * time.Second
)

// labAnswer is the answer of a node to one request.
type labAnswer struct {
	status     int
	index      uint64 // X-Etcd-Index
	body       []byte
	begin, end time.Time
}

// ask sends a request with an optional form and waits some time for the answer.
func (l *lab) ask(n *labNode, within time.Duration, method, path, form string) (labAnswer, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), within)
	defer cancel()
	a := labAnswer{begin: time.Now()}
	resp, err := l.open(ctx, n, method, path, form)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a.status = resp.StatusCode
	a.index, _ = strconv.ParseUint(resp.Header.Get("X-Etcd-Index"), 10, 64)
	a.body, err = io.ReadAll(resp.Body)
	a.end = time.Now()
	return a, err
}

// open sends a request and returns the answer with the body unread.
func (l *lab) open(ctx context.Context, n *labNode, method, path, form string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, n.url+path, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return l.client.Do(r)
}

// write sends a write and wants it accepted.
func (l *lab) write(n *labNode, within time.Duration, method, path, form string) (labAnswer, error) {
	a, err := l.ask(n, within, method, "/v2/keys"+path, form)
	if err == nil && a.status != http.StatusOK && a.status != http.StatusCreated {
		err = fmt.Errorf("%s %s at %s: status %d: %s", method, path, n.name, a.status, a.body)
	}
	return a, err
}

// put writes a key that must then be there, everywhere, until something else is written.
func (l *lab) put(n *labNode, key, value string) {
	l.t.Helper()
	l.check.putting(key)
	if _, err := l.write(n, labPatience, http.MethodPut, key, "value="+url.QueryEscape(value)); err != nil {
		l.t.Fatal(err)
	}
	l.check.put(key, value)
}

// remove deletes a key that must not come back.
func (l *lab) remove(n *labNode, key string) {
	l.t.Helper()
	if _, err := l.write(n, labPatience, http.MethodDelete, key, ""); err != nil {
		l.t.Fatal(err)
	}
	l.check.deleted(key)
}

// removeDir deletes a directory with all that is in it.
func (l *lab) removeDir(n *labNode, dir string) {
	l.t.Helper()
	if _, err := l.write(n, labPatience, http.MethodDelete, dir+"?recursive=true", ""); err != nil {
		l.t.Fatal(err)
	}
	l.check.deletedBelow(dir)
}

// labListing is all that a node shows: values by key, and directories with a slash.
type labListing struct {
	labAnswer
	keys map[string]string
}

// errNotServing is the answer of a node that has not heard from the others yet.
var errNotServing = errors.New("the node does not serve yet")

// list reads all of a node.
func (l *lab) list(n *labNode, within time.Duration) (labListing, error) {
	a, err := l.ask(n, within, http.MethodGet, "/v2/keys/?recursive=true", "")
	if err != nil {
		return labListing{}, err
	}
	if a.status == http.StatusServiceUnavailable {
		return labListing{}, errNotServing
	}
	var root struct {
		Node labKey `json:"node"`
	}
	if err := json.Unmarshal(a.body, &root); err != nil || a.status != http.StatusOK {
		return labListing{}, fmt.Errorf("listing of %s: status %d, %w: %s", n.name, a.status, err, a.body)
	}
	listing := labListing{labAnswer: a, keys: map[string]string{}}
	root.Node.collect(listing.keys)
	return listing, nil
}

// labKey is a node of the tree as answers show it.
type labKey struct {
	Key   string   `json:"key"`
	Value string   `json:"value"`
	Dir   bool     `json:"dir"`
	Nodes []labKey `json:"nodes"`
	Index uint64   `json:"modifiedIndex"`
}

func (k labKey) collect(keys map[string]string) {
	if k.Dir {
		keys[k.Key+"/"] = ""
	} else {
		keys[k.Key] = k.Value
	}
	for _, child := range k.Nodes {
		child.collect(keys)
	}
}

// labEvent is one document of a watch: an event, or the error that ends it.
type labEvent struct {
	Action string `json:"action"`
	Node   labKey `json:"node"`
	Code   int    `json:"errorCode"`
}
