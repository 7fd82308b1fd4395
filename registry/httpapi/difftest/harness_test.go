package difftest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// TestHarnessEqual compares etcd with etcd: whatever the harness reports there is its own fault.
func TestHarnessEqual(t *testing.T) {
	left, right := newLanes(t), newLanes(t)
	for _, sc := range allScenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			a, b := left.take(), right.take()
			first, second := make(chan Transcript, 1), make(chan Transcript, 1)
			go func() { first <- sc.Run(t.Context(), a) }()
			go func() { second <- sc.Run(t.Context(), b) }()
			mismatches, _ := Compare(sc, <-first, <-second, Etcd)
			for _, m := range mismatches {
				t.Error(m)
			}
			left.give(t, a, sc)
			right.give(t, b, sc)
		})
	}
}

// TestHarnessFails puts a proxy that spoils one thing before etcd: the harness must see each of them.
func TestHarnessFails(t *testing.T) {
	etcd, spoilt := StartEtcd(t), StartEtcd(t)
	for name, spoil := range spoilers() {
		t.Run(name, func(t *testing.T) {
			sc := harnessScenario()
			want := sc.Run(t.Context(), etcd)
			got := sc.Run(t.Context(), spoilingProxy(t, spoilt, spoil))
			if mismatches, _ := Compare(sc, want, got, Letter); len(mismatches) == 0 {
				t.Error("the harness did not see it")
			}
			wipe(t, etcd, sc)
			wipe(t, spoilt, sc)
		})
	}
	t.Run("nothing", func(t *testing.T) {
		sc := harnessScenario()
		want := sc.Run(t.Context(), etcd)
		got := sc.Run(t.Context(), spoilingProxy(t, spoilt, func(*http.Response, []byte) []byte { return nil }))
		mismatches, _ := Compare(sc, want, got, Letter)
		for _, m := range mismatches {
			t.Errorf("the proxy alone makes a difference: %v", m)
		}
	})
}

// harnessScenario has a little of everything that spoilers look for.
func harnessScenario() Scenario {
	return Scenario{Name: "harness", Patience: time.Second, Steps: []Step{
		Put("/h/a", "value=1&ttl=100").As("a"),
		Put("/h/a", "value=2&ttl=50"),
		Post("/h/q", "value=x"),
		Get("/h?recursive=true&sorted=true"),
		Put("/h/a?prevIndex={a}", "value=3"),
		Get("/h/none"),
		Watch("w", "/h/a?wait=true&waitIndex={a}"),
		Next("w"),
		Watch("s", "/h?wait=true&stream=true&recursive=true"),
		Put("/h/c", "value=1"),
		Put("/h/d", "value=2"),
		Next("s"),
		Next("s"),
		Delete("/h?recursive=true"),
		Call(Request{Method: http.MethodPatch, Path: "/v2/keys/h"}),
		Get("//h"),
	}}
}

// spoilers change an answer: its header in place, its body by returning another one. nil keeps the body.
func spoilers() map[string]func(*http.Response, []byte) []byte {
	replace := func(from, to string) func(*http.Response, []byte) []byte {
		return func(_ *http.Response, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte(from), []byte(to))
		}
	}
	header := func(change func(http.Header)) func(*http.Response, []byte) []byte {
		return func(res *http.Response, _ []byte) []byte {
			change(res.Header)
			return nil
		}
	}
	drop := func(name string) func(*http.Response, []byte) []byte {
		return header(func(h http.Header) { h.Del(name) })
	}
	return map[string]func(*http.Response, []byte) []byte{
		"value":              replace(`"value":"2"`, `"value":"3"`),
		"value left out":     replace(`"value":"x",`, ``),
		"action":             replace(`"action":"create"`, `"action":"set"`),
		"key":                replace(`"key":"/h/c"`, `"key":"/h/C"`),
		"dir false":          replace(`"value":"2"`, `"dir":false,"value":"2"`),
		"extra field":        replace(`"action":"set"`, `"action":"set","refresh":false`),
		"order of fields":    replace(`"key":"/h/a","value":"2"`, `"value":"2","key":"/h/a"`),
		"message":            replace("Key not found", "key not found"),
		"cause":              replace(`"cause":"/h/none"`, `"cause":"/h"`),
		"error code":         replace(`"errorCode":101`, `"errorCode":102`),
		"ttl":                replace(`"ttl":50`, `"ttl":51`),
		"ttl as a string":    replace(`"ttl":50`, `"ttl":"50"`),
		"no ttl":             replace(`"ttl":100,`, ``),
		"local time":         replace(`Z","ttl"`, `+00:00","ttl"`),
		"newline":            func(_ *http.Response, body []byte) []byte { return bytes.TrimSuffix(body, []byte("\n")) },
		"createdIndex":       spoilIndex("createdIndex", 1),
		"modifiedIndex":      spoilIndex("modifiedIndex", -1),
		"error index":        spoilIndex("index", 1000),
		"in-order key":       replace(`/h/q/0`, `/h/q/`),
		"status":             func(res *http.Response, _ []byte) []byte { res.StatusCode = max(res.StatusCode, 201); return nil },
		"cluster id":         drop("X-Etcd-Cluster-Id"),
		"raft index":         drop("X-Raft-Index"),
		"raft term on error": header(func(h http.Header) { h.Set("X-Raft-Term", "2") }),
		"etcd index":         drop("X-Etcd-Index"),
		"etcd index's value": header(func(h http.Header) { h.Set("X-Etcd-Index", "7") }),
		"content type":       header(func(h http.Header) { h.Set("Content-Type", "text/plain") }),
		"allow":              drop("Allow"),
		"location":           drop("Location"),
		"CORS":               drop("Access-Control-Allow-Origin"),
		"an event lost":      loseEvent,
	}
}

// spoilIndex adds to the first index of one name.
func spoilIndex(name string, delta int) func(*http.Response, []byte) []byte {
	return func(_ *http.Response, body []byte) []byte {
		mark := []byte(`"` + name + `":`)
		at := bytes.Index(body, mark)
		if at < 0 {
			return nil
		}
		at += len(mark)
		end := at + bytes.IndexAny(body[at:], ",}")
		index, _ := strconv.Atoi(string(body[at:end]))
		return []byte(string(body[:at]) + strconv.Itoa(index+delta) + string(body[end:]))
	}
}

// loseEvent hides a write in a stream.
func loseEvent(res *http.Response, body []byte) []byte {
	if res.Request.URL.Query().Get("stream") == "true" && bytes.Contains(body, []byte("/h/c")) {
		return []byte{}
	}
	return nil
}

// spoilingProxy stands before the target and changes its answers, line by line, as they pass.
func spoilingProxy(t *testing.T, target *Target, spoil func(*http.Response, []byte) []byte) *Target {
	t.Helper()
	base, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.RawQuery = base.Scheme, base.Host, r.In.URL.RawQuery
		},
		FlushInterval: -1,
		ModifyResponse: func(res *http.Response) error {
			res.Header.Del("Content-Length")
			res.ContentLength = -1
			if res.Request.URL.Query().Get("stream") == "" {
				body, readErr := io.ReadAll(res.Body)
				if changed := spoil(res, body); changed != nil {
					body = changed
				}
				res.Body = io.NopCloser(bytes.NewReader(body))
				return readErr
			}
			spoil(res, nil)
			res.Body = &spoiltStream{ReadCloser: res.Body, change: func(line []byte) []byte { return spoil(res, line) }}
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	spoilt := NewTarget(Letter, server.URL)
	t.Cleanup(spoilt.Close)
	return spoilt
}

// spoiltStream changes what passes through. etcd flushes each document by itself, so that one read is one document.
type spoiltStream struct {
	io.ReadCloser
	change func([]byte) []byte
}

func (s *spoiltStream) Read(p []byte) (int, error) {
	for {
		n, err := s.ReadCloser.Read(p)
		changed := s.change(p[:n])
		if changed == nil {
			return n, err
		}
		if n = copy(p, changed); n > 0 || err != nil {
			return n, err
		}
	}
}
