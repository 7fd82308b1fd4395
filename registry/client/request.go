package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one operation, before a node is chosen for it.
type request struct {
	method string
	path   string     // Escaped, below the node's URL.
	query  url.Values // May be nil.
	form   url.Values // The body of PUT and POST.
	// repeatable means that doing it twice ends in the same state as doing it once.
	repeatable bool
	// timeout of one attempt, when it is not the client's.
	timeout time.Duration
	// decode reads the answer; nil means that it is one of the keys API.
	decode decoder
	// attempt sends it to one node and takes the answer; nil means the way that suits all but streams.
	attempt func(ctx context.Context, e endpoint, r request) (*Response, error)
}

// keyPath turns a key into the escaped path of its URL. Every byte of a key arrives as it is; slashes part the key's
// segments, and empty segments do not count.
func keyPath(key string) (string, error) {
	var b strings.Builder
	b.WriteString("/v2/keys")
	for segment := range strings.SplitSeq(key, "/") {
		switch segment {
		case "":
			continue
		case ".", "..":
			return "", fmt.Errorf("client: key %q: %q cannot be part of a key", key, segment)
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(segment))
	}
	return b.String(), nil
}

// newRequest checks what all operations have in common.
func newRequest(method, key string) (request, error) {
	path, err := keyPath(key)
	if err != nil {
		return request{}, err
	}
	return request{method: method, path: path, query: url.Values{}, form: url.Values{}}, nil
}

// build makes the HTTP request for one node. Its body can be read again, so that net/http can follow a redirect.
func (r request) build(ctx context.Context, e endpoint) (*http.Request, error) {
	target := string(e) + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	if r.method != http.MethodPut && r.method != http.MethodPost {
		return http.NewRequestWithContext(ctx, r.method, target, http.NoBody)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, strings.NewReader(r.form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// setTTL sends a lifetime in whole seconds, rounded up: a lease may last longer than asked for, never shorter.
func setTTL(form url.Values, ttl time.Duration) error {
	switch {
	case ttl < 0:
		return errors.New("client: negative TTL")
	case ttl > 0:
		form.Set("ttl", strconv.FormatInt(int64((ttl+time.Second-1)/time.Second), 10))
	}
	return nil
}

func setFlag(values url.Values, name string, on bool) {
	if on {
		values.Set(name, "true")
	}
}

func setString(values url.Values, name, value string) {
	if value != "" {
		values.Set(name, value)
	}
}

func setIndex(values url.Values, name string, index uint64) {
	if index != 0 {
		values.Set(name, strconv.FormatUint(index, 10))
	}
}
