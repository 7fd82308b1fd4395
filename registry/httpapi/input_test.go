package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"rollcall/registry"
)

// Bad input gets the error of the API and changes nothing.
func TestBadInputChangesNothing(t *testing.T) {
	store := registry.New(registry.Options{})
	h := New(store, Options{})
	call(h, "PUT", "/v2/keys/a", "value=1")
	before := call(h, "GET", "/v2/keys/?recursive=true", "").Body.String()
	index := store.Index()
	for _, tt := range []struct {
		name, method, target, form string
		status, code               int
	}{
		{"unknown boolean", "PUT", "/v2/keys/a?dir=maybe", "value=2", 400, 209},
		{"bad prevExist", "PUT", "/v2/keys/a?prevExist=2", "value=2", 400, 209},
		{"bad index", "PUT", "/v2/keys/a?prevIndex=-1", "value=2", 400, 203},
		{"bad ttl", "PUT", "/v2/keys/a", "value=2&ttl=5s", 400, 202},
		{"empty prevValue", "DELETE", "/v2/keys/a?prevValue=", "", 400, 201},
		{"wait with a write", "DELETE", "/v2/keys/a?wait=true", "", 400, 209},
		{"bad escape", "PUT", "/v2/keys/a", "value=%zz", 400, 210},
		{"refresh with a value", "PUT", "/v2/keys/a", "refresh=true&ttl=5&value=2", 400, 211},
		{"refresh without a ttl", "PUT", "/v2/keys/a", "refresh=true", 400, 212},
		{"body over the limit", "PUT", "/v2/keys/a", "value=" + strings.Repeat("x", DefaultMaxBody), 413, 210},
		{"NUL in the key", "PUT", "/v2/keys/a%00b", "value=2", 400, 209},
		{"10,000 segments", "PUT", "/v2/keys" + strings.Repeat("/a", 10_000), "value=2", 400, 209},
		{"10,000 segments read", "GET", "/v2/keys" + strings.Repeat("/a", 10_000), "", 400, 209},
		{"the root", "PUT", "/v2/keys/", "value=2", 400, 107},
		{"the root removed", "DELETE", "/v2/keys/?recursive=true", "", 400, 107},
		{"below a file", "PUT", "/v2/keys/a/b/c", "value=2", 400, 104},
		{"dots", "PUT", "/v2/keys/b/../a", "value=2", http.StatusMovedPermanently, 0},
		{"escaped dots", "PUT", "/v2/keys/b/%2e%2e/a", "value=2", http.StatusMovedPermanently, 0},
		{"out of the API", "PUT", "/v2/keys/../keys/a", "value=2", http.StatusMovedPermanently, 0},
		{"PATCH", "PATCH", "/v2/keys/a", "value=2", 405, 0},
		{"invented method", "BREW", "/v2/keys/a", "value=2", 405, 0},
		{"no such route", "GET", "/v2/keyss", "", 404, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := call(h, tt.method, tt.target, tt.form)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if tt.code != 0 {
				if got := decode(t, w); got.Code != tt.code || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("answer %s (%s), want errorCode %d", w.Body, w.Header().Get("Content-Type"), tt.code)
				}
			}
			if tt.status == 405 && w.Header().Get("Allow") != "HEAD,GET,PUT,POST,DELETE" {
				t.Errorf("Allow is %q", w.Header().Get("Allow"))
			}
		})
	}
	if after := call(h, "GET", "/v2/keys/?recursive=true", "").Body.String(); after != before {
		t.Errorf("state changed from %s to %s", before, after)
	}
	if store.Index() != index {
		t.Errorf("index moved from %d to %d", index, store.Index())
	}
}

// The limit is on the body, to the byte, and is an option.
func TestMaxBody(t *testing.T) {
	h := New(registry.New(registry.Options{}), Options{MaxBody: 10})
	if w := call(h, "PUT", "/v2/keys/a", "value=1234"); w.Code != http.StatusCreated {
		t.Errorf("a body of 10 bytes: %d %s", w.Code, w.Body)
	}
	if w := call(h, "PUT", "/v2/keys/a", "value=12345"); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 11 bytes: %d %s", w.Code, w.Body)
	}
}
