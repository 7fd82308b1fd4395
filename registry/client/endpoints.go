package client

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
)

// endpoint is one node: a base URL without a trailing slash.
type endpoint string

// String is the URL for people and logs: without its password, if it has one.
func (e endpoint) String() string {
	u, err := url.Parse(string(e))
	if err != nil {
		return "(unreadable URL)"
	}
	return u.Redacted()
}

// nodeList holds the nodes in order of preference and remembers which one to ask first.
type nodeList struct {
	all     []endpoint
	current atomic.Int64
}

func newNodeList(urls []string) (*nodeList, error) {
	if len(urls) == 0 {
		return nil, errors.New("client: no endpoints")
	}
	l := &nodeList{}
	for _, u := range urls {
		e, err := parseEndpoint(u)
		if err != nil {
			return nil, fmt.Errorf("client: endpoint %q: %w", u, err)
		}
		l.all = append(l.all, e)
	}
	return l, nil
}

func parseEndpoint(s string) (endpoint, error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.Unwrap(err)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("scheme must be http or https")
	case u.Hostname() == "":
		return "", errors.New("no host")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must not have a query or a fragment")
	}
	return endpoint(strings.TrimRight(u.String(), "/")), nil
}

// first is the place in all of the node to ask first.
func (l *nodeList) first() int {
	return int(l.current.Load())
}

// prefer makes the node at place i the first to ask.
func (l *nodeList) prefer(i int) {
	l.current.Store(int64(i))
}

// leave moves on from the node at place i, unless somebody else has done so already.
func (l *nodeList) leave(i int) {
	l.current.CompareAndSwap(int64(i), int64(l.after(i)))
}

func (l *nodeList) after(i int) int {
	return (i + 1) % len(l.all)
}

func (l *nodeList) urls() []string {
	out := make([]string, len(l.all))
	for i, e := range l.all {
		out[i] = string(e)
	}
	return out
}
