package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// writers is how many requests sendAll keeps going at once: enough for etcd to share its disk syncs.
const writers = 64

// httpClient keeps a connection per writer. No answer takes nearly as long as its time-out on a healthy server.
var httpClient = &http.Client{
	Transport: &http.Transport{MaxIdleConnsPerHost: writers, IdleConnTimeout: time.Minute},
	Timeout:   30 * time.Second,
}

// A request is one call of the keys API.
type request struct {
	method string
	path   string // from /v2/keys on
	form   string // body; empty for none
}

func putRequest(path, form string) request { return request{http.MethodPut, path, form} }
func getRequest(path string) request       { return request{http.MethodGet, path, ""} }

// An answer is what the keys API says to a success.
type answer struct {
	Action   string `json:"action"`
	Node     *node  `json:"node"`
	PrevNode *node  `json:"prevNode"`
}

type node struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	TTL   int64  `json:"ttl"`
	Dir   bool   `json:"dir"`
	Nodes []node `json:"nodes"`
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return httpClient.Do(req)
}

// send does one request and returns the body of its answer. Any status but 200 and 201 is an error.
func (s *server) send(ctx context.Context, r request) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, s.url+r.path, strings.NewReader(r.form))
	if err != nil {
		return nil, err
	}
	if r.form != "" {
		req.Header.Set("Content-Type", formType)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("%s %s: %s: %.200s", r.method, r.path, resp.Status, body)
	}
	return body, nil
}

func parseAnswer(body []byte) (answer, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("parse answer: %w", err)
	}
	if a.Node == nil {
		return a, fmt.Errorf("parse answer: no node in %.200s", body)
	}
	return a, nil
}

// sendAll does all requests, many at a time, and stops at the first failure.
func (s *server) sendAll(ctx context.Context, n int, of func(i int) request) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			_, err := s.send(ctx, of(i))
			return err
		})
	}
	return group.Wait()
}
