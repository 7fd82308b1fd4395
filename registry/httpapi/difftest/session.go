package difftest

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// session is the state of one scenario on one target.
type session struct {
	target  *Target
	labels  map[string]Answer
	watches map[string]*watch
	// patience is how long the next line of a watch may take.
	patience time.Duration
}

func newSession(target *Target) *session {
	return &session{target: target, labels: map[string]Answer{}, watches: map[string]*watch{}, patience: eventTimeout}
}

// begin makes and removes a key, so that no server's index is that of an empty store.
func (s *session) begin(ctx context.Context) {
	parseTarget(http.MethodPut, "/difftest-begins", "value=").do(ctx, s.target)
	parseTarget(http.MethodDelete, "/difftest-begins", "").do(ctx, s.target)
}

func (s *session) close() {
	for name := range s.watches {
		s.hang(name)
	}
}

var reference = regexp.MustCompile(`\{([a-z]\w*)(\.\w+)?(?:\+(\d+)(?:\|(\d+))?)?\}`)

// expand replaces the references in all texts of the request.
func (s *session) expand(r Request) (Request, error) {
	var err error
	for _, text := range []*string{&r.Path, &r.Query, &r.Body} {
		*text = reference.ReplaceAllStringFunc(*text, func(match string) string {
			value, lookupErr := s.lookup(reference.FindStringSubmatch(match))
			if lookupErr != nil {
				err = lookupErr
			}
			return value
		})
	}
	return r, err
}

func (s *session) lookup(parts []string) (string, error) {
	label, field, etcdOffset, oursOffset := parts[1], parts[2], parts[3], parts[4]
	answer, known := s.labels[label]
	if !known {
		return "", fmt.Errorf("no answer is labelled %q", label)
	}
	index := answer.modified()
	switch field {
	case ".key":
		if node := answer.document().Node; node != nil {
			return node.Key, nil
		}
		return "", fmt.Errorf("answer %q has no key", label)
	case ".created":
		if node := answer.document().Node; node != nil {
			index = node.CreatedIndex
		}
	case ".header":
		index = answer.headerIndex()
	}
	offset := etcdOffset
	if oursOffset != "" && s.target.Kind != Etcd {
		offset = oursOffset
	}
	n, _ := strconv.ParseUint("0"+offset, 10, 64)
	return strconv.FormatUint(index+n, 10), nil
}

// parseTarget splits "GET"-style targets of the short constructors: a path below the keys, or, with the prefix "=", an absolute one.
func parseTarget(method, target, body string) Request {
	path, query, _ := strings.Cut(target, "?")
	if absolute, ok := strings.CutPrefix(path, "="); ok {
		path = absolute
	} else {
		path = "/v2/keys" + path
	}
	r := Request{Method: method, Path: path, Query: query, Body: body}
	if body != "" {
		r.Type = formType
	}
	return r
}

// Get is GET of a key with its query, such as "/a?recursive=true". A target that begins with "=" is an absolute path.
func Get(target string) Step { return Call(parseTarget(http.MethodGet, target, "")) }

// Head is HEAD of a key.
func Head(target string) Step { return Call(parseTarget(http.MethodHead, target, "")) }

// Put is PUT of a key with a form body.
func Put(target, form string) Step { return Call(parseTarget(http.MethodPut, target, form)) }

// Post is POST to a directory with a form body.
func Post(target, form string) Step { return Call(parseTarget(http.MethodPost, target, form)) }

// Delete is DELETE of a key with its query.
func Delete(target string) Step { return Call(parseTarget(http.MethodDelete, target, "")) }

// Watch opens a watch with GET; target includes wait=true.
func Watch(name, target string) Step { return Open(name, parseTarget(http.MethodGet, target, "")) }
