package client

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestKeyPath(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"":                 "/v2/keys",
		"/":                "/v2/keys",
		"a":                "/v2/keys/a",
		"//a///b/":         "/v2/keys/a/b",
		"/a b":             "/v2/keys/a%20b",
		"/100%?x=1#y+z&;=": "/v2/keys/100%25%3Fx=1%23y+z&%3B=",
		"/ü":               "/v2/keys/%C3%BC",
		"/_hidden":         "/v2/keys/_hidden",
		"/...":             "/v2/keys/...",
		"/%2F":             "/v2/keys/%252F",
		"/a\x00\n\xff":     "/v2/keys/a%00%0A%FF",
	} {
		got, err := keyPath(key)
		if err != nil || got != want {
			t.Errorf("keyPath(%q) = %q, %v; want %q", key, got, err, want)
		}
	}
}

func TestKeyPathRefusesDots(t *testing.T) {
	t.Parallel()
	for _, key := range []string{".", "..", "/a/../b", "/a/.", "/./a"} {
		if got, err := keyPath(key); err == nil {
			t.Errorf("keyPath(%q) = %q, want an error: no URL can name it", key, got)
		}
	}
}

// TestKeyArrives states the law of escaping: what a server decodes from the request line is the key, byte for byte.
func TestKeyArrives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 8), func(b []byte) string {
			return strings.ReplaceAll(string(b), "/", "x")
		}).Filter(func(s string) bool { return s != "." && s != ".." }), 1, 4).Draw(t, "segments")
		want := "/" + strings.Join(segments, "/")
		r, err := newRequest(http.MethodGet, want)
		if err != nil {
			t.Fatal(err)
		}
		r.query.Set("wait", "true")
		req, err := r.build(t.Context(), "http://host:1/base")
		if err != nil {
			t.Fatal(err)
		}
		arrived, err := url.ParseRequestURI(req.URL.RequestURI())
		if err != nil {
			t.Fatal(err)
		}
		if arrived.Path != "/base/v2/keys"+want || arrived.RawQuery != "wait=true" {
			t.Fatalf("sent %q, arrived %q ? %q", want, arrived.Path, arrived.RawQuery)
		}
	})
}

func TestRequestForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		value      string
		opts       SetOptions
		form       string
		repeatable bool
	}{
		{"plain", "v w", SetOptions{}, "value=v+w", true},
		{"empty value", "", SetOptions{}, "value=", true},
		{"ttl is rounded up", "v", SetOptions{TTL: 1500 * time.Millisecond}, "ttl=2&value=v", true},
		{"least ttl", "v", SetOptions{TTL: 1}, "ttl=1&value=v", true},
		{"directory", "", SetOptions{Dir: true}, "dir=true", true},
		{"directory with a wrong value", "v", SetOptions{Dir: true}, "dir=true&value=v", true},
		{"refresh", "", SetOptions{Refresh: true, TTL: time.Second}, "refresh=true&ttl=1", true},
		{"update", "v", SetOptions{PrevExist: PrevPresent}, "prevExist=true&value=v", true},
		{"create", "v", SetOptions{PrevExist: PrevAbsent}, "prevExist=false&value=v", false},
		{"swap value", "v", SetOptions{PrevValue: "&="}, "prevValue=%26%3D&value=v", false},
		{"swap index", "v", SetOptions{PrevIndex: 7}, "prevIndex=7&value=v", false},
		{"no value in the answer", "v", SetOptions{NoValueOnSuccess: true}, "noValueOnSuccess=true&value=v", true},
	} {
		r, err := newSet("/k", c.value, c.opts)
		if err != nil || r.form.Encode() != c.form || r.repeatable != c.repeatable {
			t.Errorf("%s: form %q, repeatable %v, %v; want %q, %v", c.name, r.form.Encode(), r.repeatable, err, c.form, c.repeatable)
		}
	}
	if _, err := newSet("/k", "v", SetOptions{TTL: -1}); err == nil {
		t.Error("a negative TTL is accepted")
	}
}

func TestDeleteRepeatable(t *testing.T) {
	t.Parallel()
	for opts, want := range map[DeleteOptions]bool{
		{}:                true,
		{Recursive: true}: true,
		{PrevValue: "v"}:  false,
		{PrevIndex: 1}:    false,
	} {
		if r, err := newDelete("/k", opts); err != nil || r.repeatable != want {
			t.Errorf("%+v: repeatable %v, %v; want %v", opts, r.repeatable, err, want)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	c, err := New([]string{"10.0.0.1:4001", " https://h/ ", "http://[::1]:1/base/"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "http://10.0.0.1:4001 https://h http://[::1]:1/base"
	if got := strings.Join(c.Endpoints(), " "); got != want {
		t.Errorf("Endpoints() = %q, want %q", got, want)
	}
	for _, bad := range [][]string{nil, {""}, {"ftp://h"}, {"http://"}, {"http://h?q"}, {"http://h#f"}, {"http://h:port"}} {
		if _, err := New(bad, Options{}); err == nil {
			t.Errorf("New(%q) accepts it", bad)
		}
	}
	if _, err := New([]string{"h"}, Options{Timeout: -1}); err == nil {
		t.Error("a negative time-out is accepted")
	}
}
