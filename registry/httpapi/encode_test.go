package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/registry"
)

// FuzzString compares our JSON strings with encoding/json's, byte for byte.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "10.0.1.1", `a"b\c`, "<&>", "\x00\n\u2028", "\xff", "Zürich"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendString(nil, s); string(got) != string(want) {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	})
}

// FuzzTime compares our times with the time package's.
func FuzzTime(f *testing.F) {
	f.Add(int64(1700000000), int64(0))
	f.Add(int64(1700000064), int64(120))
	f.Add(int64(-1), int64(999999999))
	f.Fuzz(func(t *testing.T, seconds, ns int64) {
		for _, at := range []time.Time{time.Unix(seconds, ns), time.Unix(seconds+64, 0), time.Unix(seconds, 1)} {
			if want, got := at.UTC().Format(time.RFC3339Nano), string(appendTime(nil, at)); got != want {
				t.Errorf("%d, %d: got %s, want %s", seconds, ns, got, want)
			}
		}
	})
}

// call serves one request without a network.
func call(h http.Handler, method, target, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", formType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type nodeJSON struct {
	Key        string     `json:"key"`
	Value      *string    `json:"value"`
	Dir        bool       `json:"dir"`
	Expiration *time.Time `json:"expiration"`
	TTL        int64      `json:"ttl"`
	Nodes      []nodeJSON `json:"nodes"`
	Modified   uint64     `json:"modifiedIndex"`
	Created    uint64     `json:"createdIndex"`
}

type answerJSON struct {
	Action string    `json:"action"`
	Node   *nodeJSON `json:"node"`
	Prev   *nodeJSON `json:"prevNode"`
	Code   int       `json:"errorCode"`
	Cause  string    `json:"cause"`
}

func decode(t *testing.T, w *httptest.ResponseRecorder) answerJSON {
	t.Helper()
	var a answerJSON
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	return a
}

// A listing is encoded once; its TTLs must nevertheless count down, and a change must
// show at once.
func TestListingIsNeverStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(registry.New(registry.Options{}), Options{})
		list := func() []nodeJSON {
			t.Helper()
			return decode(t, call(h, "GET", "/v2/keys/frontends", "")).Node.Nodes
		}
		call(h, "PUT", "/v2/keys/frontends/fe1", "value=10.0.1.1")
		call(h, "PUT", "/v2/keys/frontends/fe2", "value=10.0.1.2&ttl=5")
		for left := int64(5); left >= 1; left-- {
			for range 2 {
				if got := list(); len(got) != 2 || got[1].TTL != left {
					t.Fatalf("with %d s left the listing is %+v", left, got)
				}
			}
			time.Sleep(999 * time.Millisecond)
			if got := list(); got[1].TTL != left {
				t.Fatalf("just before the second is over the ttl is %d, want %d", got[1].TTL, left)
			}
			time.Sleep(time.Millisecond)
		}
		if got := list(); len(got) != 1 || got[0].Key != "/frontends/fe1" {
			t.Fatalf("after the lease ran out the listing is %+v", got)
		}
		call(h, "PUT", "/v2/keys/frontends/fe1", "value=10.0.1.9")
		if got := list(); *got[0].Value != "10.0.1.9" {
			t.Fatalf("after a change the listing is %+v", got)
		}
		call(h, "PUT", "/v2/keys/frontends/deep/x", "value=1")
		call(h, "GET", "/v2/keys/frontends?recursive=true", "")
		call(h, "PUT", "/v2/keys/frontends/deep/x", "value=2")
		deep := decode(t, call(h, "GET", "/v2/keys/frontends?recursive=true", "")).Node.Nodes[0]
		if *deep.Nodes[0].Value != "2" {
			t.Fatalf("after a change two levels down the listing is %+v", deep)
		}
	})
}

// A renewal shows in listings, too: its index and its expiration.
func TestRenewalShowsInListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(registry.New(registry.Options{}), Options{})
		call(h, "PUT", "/v2/keys/f/a", "value=1&ttl=5")
		call(h, "GET", "/v2/keys/f", "")
		time.Sleep(2 * time.Second)
		renewed := decode(t, call(h, "PUT", "/v2/keys/f/a", "value=1&ttl=5")).Node
		got := decode(t, call(h, "GET", "/v2/keys/f", "")).Node.Nodes[0]
		if got.Modified != renewed.Modified || !got.Expiration.Equal(*renewed.Expiration) || got.TTL != 5 {
			t.Errorf("listing shows %+v, the renewal answered %+v", got, renewed)
		}
	})
}
