package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"rollcall/registry"
)

// What docs/limits.md says that each thing takes at most, in bytes, beside its key and value.
const (
	entryTakes   = 640
	removalTakes = 384
	watchTakes   = 16 << 10
)

// inUse is the memory in use, in bytes, after a collection.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// tryAll makes requests until so many are refused.
func tryAll(t *testing.T, h http.Handler, refusals int, request func(i int) (method, target, form string)) (done int) {
	t.Helper()
	for i := 0; refusals > 0; i++ {
		method, target, form := request(i)
		switch w := call(h, method, target, form); w.Code {
		case http.StatusCreated:
			done++
		case http.StatusForbidden:
			refusals--
		default:
			t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
	}
	return done
}

// A store that is filled up to a limit, and as much again, stays within what the documents
// say that it takes.
func TestMemoryAtTheLimits(t *testing.T) {
	const count, bytes = 20_000, 32 << 20
	name := strings.Repeat("n", 100)
	for _, tt := range []struct {
		name    string
		limits  registry.Limits
		most    int64
		request func(i int) (method, target, form string)
	}{
		{"entries", registry.Limits{Entries: count}, count * (entryTakes + 100 + 2*12), func(i int) (_, _, _ string) {
			return "PUT", fmt.Sprintf("/v2/keys/%s/%d", name, i), "value=1&ttl=3600"
		}},
		{"directories", registry.Limits{Entries: count}, count * (entryTakes + 12), func(i int) (_, _, _ string) {
			return "PUT", fmt.Sprintf("/v2/keys/%d", i), "dir=true"
		}},
		{"deep", registry.Limits{Entries: count, Depth: 64}, count * (entryTakes + 128 + 12), func(i int) (_, _, _ string) {
			return "PUT", fmt.Sprintf("/v2/keys/%d%s", i, strings.Repeat("/a", 63)), "value=1"
		}},
		{"in order", registry.Limits{Entries: count}, count * (entryTakes + 32), func(int) (_, _, _ string) {
			return "POST", "/v2/keys/q", "value=1"
		}},
		{"bytes", registry.Limits{Bytes: bytes}, bytes + bytes/(64<<10)*entryTakes, func(i int) (_, _, _ string) {
			return "PUT", fmt.Sprintf("/v2/keys/%d", i), "value=" + strings.Repeat("v", 64<<10)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const history = 1 << 20
			before := inUse()
			store := registry.New(registry.Options{Limits: tt.limits, HistoryBytes: history})
			h := New(store, Options{})
			done := tryAll(t, h, 1000, tt.request)
			took := inUse() - before - history
			if took > tt.most {
				t.Errorf("%d writes take %d bytes, at most %d should be", done, took, tt.most)
			}
			st := store.Stats()
			t.Logf("%d files, %d directories, %d bytes of keys and values take %d bytes", st.Files, st.Dirs, st.Bytes, took)
		})
	}
}

// Removals that others have to hear of are bounded, too.
func TestMemoryOfRemovals(t *testing.T) {
	const count, history = 20_000, 1 << 20
	before := inUse()
	store := registry.New(registry.Options{Limits: registry.Limits{Removals: count}, HistoryBytes: history})
	store.Alive([]uint64{store.Author(), store.Author() + 1})
	h := New(store, Options{})
	done := tryAll(t, h, 1000, func(i int) (_, _, _ string) {
		target := fmt.Sprintf("/v2/keys/%d", i)
		call(h, "DELETE", fmt.Sprintf("/v2/keys/%d", i-1), "")
		return "PUT", target, "value=1"
	})
	took := inUse() - before - history
	if most := int64(done * removalTakes); took > most || done < count || done > count+1 {
		t.Errorf("%d removals take %d bytes, at most %d should be", done, took, most)
	}
	t.Logf("%d removals take %d bytes each", done, took/int64(done))
	runtime.KeepAlive(store)
}

// Watches are bounded, with what has not been read of them.
func TestMemoryOfWatches(t *testing.T) {
	const count, history = 2000, 1 << 20
	before := inUse()
	store := registry.New(registry.Options{Limits: registry.Limits{Watches: count}, HistoryBytes: history})
	h := New(store, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 2*count)
	for range 2 * count {
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/keys/a?wait=true", http.NoBody))
			ended <- w.Code
		}()
	}
	for range count {
		if code := <-ended; code != http.StatusServiceUnavailable {
			t.Errorf("a watch too many is answered %d", code)
		}
	}
	waitFor(t, "all watches wait", func() bool { return store.Stats().Watchers == count })
	took := inUse() - before - history
	if most := int64(count * watchTakes); took > most {
		t.Errorf("%d watches take %d bytes, at most %d should be", count, took, most)
	}
	t.Logf("%d watches take %d bytes each", count, took/count)
	cancel()
	for range count {
		<-ended
	}
	waitFor(t, "no watch is left", func() bool { return store.Stats().Watchers == 0 })
}

// The table of rates stays within bounds, however many clients come.
func TestMemoryOfRates(t *testing.T) {
	before := inUse()
	g := NewGuard(GuardOptions{Rate: 1})
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for i := range 4 * maxClients {
		r.RemoteAddr = fmt.Sprintf("[2001:db8:%x:%x::1]:80", i>>16, i&0xffff)
		g.isOverRate(r)
	}
	took := inUse() - before
	if most := int64(maxClients * 512); took > most {
		t.Errorf("%d clients take %d bytes, at most %d should be", maxClients, took, most)
	}
	t.Logf("%d clients take %d bytes each", maxClients, took/maxClients)
	g.rates.allow(clientOf(r), time.Now())
}
