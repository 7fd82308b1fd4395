package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/registry"
)

// Each of the store's limits has its answer.
func TestStoreLimitsAnswer(t *testing.T) {
	for _, tt := range []struct {
		limits       registry.Limits
		method, form string
		status, code int
		cause        string
	}{
		{registry.Limits{Value: 3}, "PUT", "value=1234", 400, 209, "4 bytes in the value; the limit is 3 (max-value)"},
		{registry.Limits{Key: 5}, "PUT", "value=1", 400, 209, "7 bytes in the key; the limit is 5 (max-key)"},
		{registry.Limits{Depth: 1}, "PUT", "value=1", 400, 209, "2 segments in the key; the limit is 1 (max-depth)"},
		{registry.Limits{Entries: 1}, "PUT", "value=1", 403, 120, "2 entries with this write; the limit is 1 (max-entries)"},
		{registry.Limits{Entries: 1}, "PUT", "prevExist=false", 403, 120, "2 entries with this write; the limit is 1 (max-entries)"},
		{registry.Limits{Entries: 2}, "POST", "value=1", 403, 120, "3 entries with this write; the limit is 2 (max-entries)"},
		{registry.Limits{Bytes: 8}, "PUT", "value=1", 403, 120, "10 bytes of keys and values with this write; the limit is 8 (max-bytes)"},
	} {
		store := registry.New(registry.Options{Limits: tt.limits})
		w := call(New(store, Options{}), tt.method, "/v2/keys/a/long", tt.form)
		got := decode(t, w)
		if w.Code != tt.status || got.Code != tt.code || got.Cause != tt.cause {
			t.Errorf("%+v, %s %s: %d %s", tt.limits, tt.method, tt.form, w.Code, w.Body)
		}
		if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("Retry-After") != "" {
			t.Errorf("headers %v", h)
		}
		if store.Stats().Files != 0 {
			t.Errorf("%+v: the write was done", tt.limits)
		}
	}
}

// callFrom is call from an address.
func callFrom(h http.Handler, addr, method, target, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form))
	r.Header.Set("Content-Type", formType)
	r.RemoteAddr = addr
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A client above its rate gets 429, and its heartbeats, refreshes and removals go on.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Rate: 4})
		h := New(registry.New(registry.Options{}), Options{Guard: g})
		const beat = "value=1&ttl=60"
		const addr = "10.0.0.1:1"
		for i, key := range []string{"a", "b", "c", "d"} {
			if w := callFrom(h, addr, "PUT", "/v2/keys/"+key, beat); w.Code != http.StatusCreated {
				t.Fatalf("request %d: %d %s", i, w.Code, w.Body)
			}
		}
		refused := 0
		for _, tt := range []struct {
			addr, method, target, form string
			status                     int
		}{
			{addr, "GET", "/v2/keys/a", "", 429},
			{"10.0.0.1:2", "GET", "/v2/keys/a?wait=true", "", 429},
			{addr, "PUT", "/v2/keys/new", beat, 429},
			{addr, "PUT", "/v2/keys/a", "value=2&ttl=60", 429},
			{addr, "PUT", "/v2/keys/a", "value=1&ttl=61", 429},
			{addr, "PUT", "/v2/keys/a?prevExist=false", beat, 429},
			{addr, "PUT", "/v2/keys/a?refresh=maybe", "", 400},
			{addr, "POST", "/v2/keys/a", "value=1", 429},
			{addr, "PUT", "/v2/keys/a", beat, 200},
			{addr, "PUT", "/v2/keys/a?prevExist=true", "refresh=true&ttl=70", 200},
			{addr, "DELETE", "/v2/keys/b", "", 200},
			{addr, "GET", "/livez", "", 200},
			{addr, "GET", "/v2/members", "", 200},
			{"10.0.0.2:1", "GET", "/v2/keys/a", "", 200},
		} {
			w := callFrom(h, tt.addr, tt.method, tt.target, tt.form)
			if w.Code != tt.status {
				t.Errorf("%s %s %s from %s: %d %s", tt.method, tt.target, tt.form, tt.addr, w.Code, w.Body)
			}
			if tt.status != http.StatusTooManyRequests {
				continue
			}
			refused++
			got := decode(t, w)
			if got.Code != 120 || got.Cause != "more than 4 requests a second from 10.0.0.1 (max-rate)" || w.Header().Get("Retry-After") != "1" {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		}
		if got := g.Stats().Refusals[LimitRate]; got != uint64(refused) {
			t.Errorf("%d refusals are counted, %d were made", got, refused)
		}
		time.Sleep(250 * time.Millisecond)
		for _, want := range []int{200, 429} {
			if w := callFrom(h, addr, "GET", "/v2/keys/a", ""); w.Code != want {
				t.Errorf("after a quarter of a second: %d, want %d", w.Code, want)
			}
		}
	})
}

// Retry-After is when there will be a token again.
func TestRetryAfter(t *testing.T) {
	for rate, want := range map[float64]int{0.1: 10, 0.7: 2, 1: 1, 50: 1} {
		g := NewGuard(GuardOptions{Rate: rate})
		if got := g.tooFast(httptest.NewRequest(http.MethodGet, "/", http.NoBody)).after; got != want {
			t.Errorf("at %v a second: after %d s, want %d", rate, got, want)
		}
	}
}

// The table of clients is bounded; the one that was quiet for longest is forgotten.
func TestRatesAreBounded(t *testing.T) {
	r := newRates(1)
	r.most = 3
	now := time.Now()
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range 3 {
		if !r.allow(client(i), now) || r.allow(client(i), now) {
			t.Fatalf("client %d does not have one request", i)
		}
	}
	r.allow(client(0), now)
	r.allow(client(3), now) // in the place of 1
	if r.allow(client(0), now) {
		t.Error("a client that was just seen is forgotten")
	}
	if !r.allow(client(1), now) {
		t.Error("the client that was quiet for longest is not forgotten")
	}
	for i := range 1000 {
		r.allow(client(i), now)
	}
	if len(r.byClient) != 3 || r.order.Len() != 3 {
		t.Errorf("%d clients are known, %d in order", len(r.byClient), r.order.Len())
	}
}

// Clients are told apart by what they cannot change at will.
func TestClientOf(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.1:80":                "10.0.0.1",
		"[::ffff:10.0.0.1]:80":       "10.0.0.1",
		"[2001:db8:1:2:3:4:5:6]:80":  "2001:db8:1:2::",
		"[fe80::1:2%eth0]:80":        "fe80::",
		"@":                          "invalid IP",
		"":                           "invalid IP",
		"[2001:db8:1:2:9:9:9:9]:443": "2001:db8:1:2::",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = addr
		r.Header.Set("X-Forwarded-For", "10.9.9.9")
		if got := clientOf(r).String(); got != want {
			t.Errorf("%q is %s, want %s", addr, got, want)
		}
	}
}

// Watches beyond a limit are refused, in all and for a client, and end makes room.
func TestWatchLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{WatchesPerClient: 2})
		store := registry.New(registry.Options{Limits: registry.Limits{Watches: 3}})
		h := New(store, Options{Guard: g})
		begin := func(addr string) context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/keys/a?wait=true", http.NoBody)
			r.RemoteAddr = addr
			go h.ServeHTTP(httptest.NewRecorder(), r)
			synctest.Wait()
			return cancel
		}
		end := begin("10.0.0.1:1")
		defer begin("10.0.0.1:2")()
		w := callFrom(h, "10.0.0.1:3", "GET", "/v2/keys/a?wait=true", "")
		if got := decode(t, w); w.Code != 429 || got.Code != 120 || w.Header().Get("Retry-After") != "1" ||
			got.Cause != "3 watches of 10.0.0.1 with this one; the limit is 2 (max-watches-per-client)" {
			t.Errorf("the third watch of a client: %d %s", w.Code, w.Body)
		}
		defer begin("10.0.0.2:1")()
		w = callFrom(h, "10.0.0.3:1", "GET", "/v2/keys/a?wait=true", "")
		if got := decode(t, w); w.Code != 503 || got.Code != 120 || w.Header().Get("Retry-After") != "1" ||
			w.Header().Get("X-Etcd-Index") != strconv.FormatUint(store.Index(), 10) || got.Cause != "4 watches with this one; the limit is 3 (max-watches)" {
			t.Errorf("the fourth watch of all: %d %v %s", w.Code, w.Header(), w.Body)
		}
		end()
		synctest.Wait()
		again := begin("10.0.0.1:4")
		if got := store.Stats().Watchers; got != 3 || g.Stats().Refusals[LimitWatchesPerClient] != 1 {
			t.Errorf("%d watches, %v refusals", got, g.Stats().Refusals)
		}
		again()
	})
}

// No client is remembered that has no watch.
func TestWatchCountsAreForgotten(t *testing.T) {
	g := NewGuard(GuardOptions{WatchesPerClient: 1})
	for i := range 100 {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = fmt.Sprintf("10.0.0.%d:1", i)
		release, refused := g.beginWatch(r)
		if refused != nil {
			t.Fatal(refused.v2)
		}
		release()
	}
	if len(g.watches) != 0 {
		t.Errorf("%d clients are remembered", len(g.watches))
	}
}
