package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rollcall/registry"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func benchmarkRequests(b *testing.B, h http.Handler, method, form string, targets ...string) {
	b.Helper()
	b.ReportAllocs()
	r := httptest.NewRequest(method, targets[0], http.NoBody)
	r.Header.Set("Content-Type", formType)
	for i := 0; b.Loop(); i++ {
		r.URL.Path = targets[i%len(targets)]
		r.Body = http.NoBody
		if form != "" {
			r.Body = readCloser{strings.NewReader(form)}
		}
		h.ServeHTTP(discard{make(http.Header)}, r)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// frontends returns a handler with 1,000 entries written by the form, and their paths.
func frontends(form string) (http.Handler, []string) {
	h := New(registry.New(registry.Options{}), Options{})
	paths := make([]string, 1000)
	for i := range paths {
		paths[i] = fmt.Sprintf("/v2/keys/frontends/fe%d", i)
		call(h, "PUT", paths[i], form)
	}
	return h, paths
}

func BenchmarkHeartbeat(b *testing.B) {
	h, paths := frontends("value=10.0.1.1&ttl=30")
	benchmarkRequests(b, h, "PUT", "value=10.0.1.1&ttl=30", paths...)
}

func BenchmarkGet(b *testing.B) {
	h, paths := frontends("value=10.0.1.1&ttl=30")
	benchmarkRequests(b, h, "GET", "", paths...)
}

func BenchmarkListCached(b *testing.B) {
	h, _ := frontends("value=10.0.1.1")
	benchmarkRequests(b, h, "GET", "", "/v2/keys/frontends")
}

// Each listing comes after a heartbeat, which makes the cached one stale.
func BenchmarkListAfterHeartbeat(b *testing.B) {
	h, paths := frontends("value=10.0.1.1&ttl=30")
	put := httptest.NewRequest(http.MethodPut, paths[0], http.NoBody)
	put.Header.Set("Content-Type", formType)
	get := httptest.NewRequest(http.MethodGet, "/v2/keys/frontends", http.NoBody)
	for b.Loop() {
		put.Body = readCloser{strings.NewReader("value=10.0.1.1&ttl=30")}
		h.ServeHTTP(discard{make(http.Header)}, put)
		h.ServeHTTP(discard{make(http.Header)}, get)
	}
}
