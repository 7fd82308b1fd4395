package difftest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/registry"
)

// put writes a key at a target and returns the answer.
func put(t *testing.T, target *Target, key, form string) Answer {
	t.Helper()
	answer := parseTarget(http.MethodPut, key, form).do(t.Context(), target)
	if answer.Note != "" {
		t.Fatal(answer.Note)
	}
	return answer
}

func get(t *testing.T, target *Target, key string) Answer {
	t.Helper()
	return parseTarget(http.MethodGet, key, "").do(t.Context(), target)
}

// TestSparseIndexes checks what an index promises beyond etcd: it follows the clock and fits into a double.
func TestSparseIndexes(t *testing.T) {
	seen.note("sparse-indexes")
	target := StartOurs(t, Default)
	last := uint64(0)
	for i := range 200 {
		index := put(t, target, "/a", fmt.Sprintf("value=%d", i)).modified()
		if index <= last || index > largestIndex {
			t.Fatalf("index %d after %d", index, last)
		}
		last = index
	}
	first := put(t, target, "/a", "value=x").modified()
	time.Sleep(20 * time.Millisecond)
	steps := put(t, target, "/a", "value=y").modified() - first
	if least := registry.IndexesPerSecond / 50; steps < least {
		t.Errorf("%d steps in 20 ms, want at least %d", steps, least)
	}
}

// TestForeignIndexes checks that a client with the index of another node, or of an earlier run of this one, is told to list again.
func TestForeignIndexes(t *testing.T) {
	seen.note("foreign-index")
	other := StartStore(t, Default, registry.New(registry.Options{Tag: 2}))
	ours := registry.New(registry.Options{Tag: 1})
	here := StartStore(t, Default, ours)
	foreign := put(t, other, "/a", "value=1").modified()
	own := put(t, here, "/a", "value=1").modified()
	again := StartStore(t, Default, registry.New(registry.Options{Tag: 1, AfterIndex: own}))
	put(t, again, "/a", "value=1")

	for name, c := range map[string]struct {
		target *Target
		index  uint64
		want   int
	}{
		"another node's":          {here, foreign, http.StatusBadRequest},
		"the one after":           {here, foreign + 1, http.StatusBadRequest},
		"an earlier run's":        {again, own, http.StatusBadRequest},
		"after an earlier run":    {again, own + 1, http.StatusBadRequest},
		"its own":                 {here, own, http.StatusOK},
		"from the beginning":      {here, 1, http.StatusOK},
		"another node's, by else": {other, own, http.StatusBadRequest},
	} {
		for _, mode := range []string{"", "&stream=true", "&recursive=true"} {
			s := newSession(c.target)
			answer := s.open(t.Context(), "w", parseTarget(http.MethodGet, "/a?wait=true&waitIndex="+strconv.FormatUint(c.index, 10)+mode, ""))
			body := s.next("w", eventTimeout)
			s.close()
			if answer.Status != c.want {
				t.Errorf("%s%s: status %d, want %d", name, mode, answer.Status, c.want)
			}
			if c.want == http.StatusBadRequest && body.document().ErrorCode != 401 {
				t.Errorf("%s%s: body %s", name, mode, body.Body)
			}
		}
	}
}

// TestFutureIndex checks that a waitIndex ahead of the node holds earlier events back, as in etcd, where it is a count of events.
func TestFutureIndex(t *testing.T) {
	target := StartOurs(t, Default)
	s := newSession(target)
	defer s.close()
	now := put(t, target, "/a", "value=0").modified()
	ahead := now + registry.IndexesPerSecond
	s.open(t.Context(), "w", parseTarget(http.MethodGet, "/a?wait=true&waitIndex="+strconv.FormatUint(ahead, 10), ""))
	for {
		written := put(t, target, "/a", "value=1").modified()
		if written < ahead {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if got := s.next("w", eventTimeout).modified(); got != written {
			t.Errorf("event %d, want %d, the first not below %d", got, written, ahead)
		}
		return
	}
}

// TestListingsSorted checks that ours need no sorted=true.
func TestListingsSorted(t *testing.T) {
	seen.note("listings-sorted")
	target := StartOurs(t, Default)
	for _, name := range []string{"m", "b", "z", "a", "B", "10", "9", "x/b", "x/a"} {
		put(t, target, "/d/"+name, "value=1")
	}
	want := get(t, target, "/d?recursive=true&sorted=true")
	got := get(t, target, "/d?recursive=true")
	if !bytes.Equal(want.Body, got.Body) {
		t.Errorf("sorted:\n%s\nunsorted:\n%s", want.Body, got.Body)
	}
	var keys []string
	for _, child := range got.document().Node.Nodes {
		keys = append(keys, child.Key)
	}
	if !slices.IsSorted(keys) || len(keys) != 8 {
		t.Errorf("keys %q", keys)
	}
}

// TestExpiryPrompt checks that no request that begins after an entry's TTL still sees it, and that its event comes without a
// request's help.
func TestExpiryPrompt(t *testing.T) {
	t.Parallel()
	seen.note("expiry-prompt")
	target := StartOurs(t, Default)
	s := newSession(target)
	defer s.close()
	s.open(t.Context(), "w", parseTarget(http.MethodGet, "/b?wait=true", ""))
	for i := range 50 {
		a := put(t, target, "/a"+strconv.Itoa(i), "value=1&ttl=0")
		if late := get(t, target, "/a"+strconv.Itoa(i)); late.Status != http.StatusNotFound {
			t.Fatalf("still there %v after its end", late.Start.Sub(a.End))
		}
	}
	a := put(t, target, "/a", "value=1&ttl=1")
	for {
		answer := get(t, target, "/a")
		if answer.Status == http.StatusNotFound {
			break
		}
		if past := answer.Start.Sub(a.End.Add(time.Second)); past > 0 {
			t.Fatalf("still there %v after its end", past)
		}
		time.Sleep(time.Millisecond)
	}
	put(t, target, "/b", "value=1&ttl=1")
	s.next("w", eventTimeout)
	s.open(t.Context(), "w", parseTarget(http.MethodGet, "/b?wait=true", ""))
	if event := s.next("w", eventTimeout); event.document().Action != "expire" {
		t.Errorf("the expiry is no event: %s %s", event.Body, event.Note)
	}
}

// TestSlowStream checks that a stream whose reader takes nothing is told that it lost its place, and that others are not held up.
func TestSlowStream(t *testing.T) {
	t.Parallel()
	seen.note("slow-stream")
	target := StartStore(t, Default, registry.New(registry.Options{WatchQueue: 16}))
	connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(target.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "GET /v2/keys/a?wait=true&stream=true HTTP/1.1\r\nHost: x\r\n\r\n")
	waitForWatchers(t, target, 1)
	value := "value=" + fill(64<<10)
	for range 400 {
		put(t, target, "/a", value)
	}
	_ = connection.SetReadDeadline(time.Now().Add(eventTimeout))
	var all bytes.Buffer
	buffer := make([]byte, 64<<10)
	for !strings.HasSuffix(all.String(), "\r\n0\r\n\r\n") {
		n, err := connection.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	end := all.String()[max(0, all.Len()-400):]
	if !strings.Contains(end, `"errorCode":401`) {
		t.Errorf("the stream ended with %q", end)
	}
}

// waitForWatchers polls the server's own statistics until so many watches are open.
func waitForWatchers(t *testing.T, target *Target, want int) {
	t.Helper()
	text := fmt.Sprintf(`"watchers":%d`, want)
	stats := Get("=/v2/stats/store").Until("a watch is open", func(a Answer) bool { return bytes.Contains(a.Body, []byte(text)) })
	if answer := stats.run(t.Context(), newSession(target)); answer.Note != "" {
		t.Fatalf("%s: %s", answer.Note, answer.Body)
	}
}

// TestHistoryIsFair checks that a busy top-level name loses its own oldest events, not those of a quiet one.
func TestHistoryIsFair(t *testing.T) {
	target := StartStore(t, Default, registry.New(registry.Options{History: 64}))
	quiet := put(t, target, "/quiet/a", "value=1").modified()
	busy := put(t, target, "/busy/a", "value=1").modified()
	for range 200 {
		put(t, target, "/busy/a", "value=1")
	}
	for key, c := range map[string]struct {
		index uint64
		want  int
	}{
		"/quiet/a": {quiet, http.StatusOK}, "/quiet": {quiet, http.StatusOK}, "/busy/a": {busy, http.StatusBadRequest}, "/": {busy, http.StatusBadRequest},
	} {
		s := newSession(target)
		query := "?wait=true&recursive=true&waitIndex=" + strconv.FormatUint(c.index, 10)
		answer := s.open(t.Context(), "w", parseTarget(http.MethodGet, key+query, ""))
		if answer.Status != c.want {
			t.Errorf("%s from %d: status %d, want %d", key, c.index, answer.Status, c.want)
		}
		s.close()
	}
}

// TestResumedStream checks that a stream from the past gives every event from there on, in order, and then the live ones.
func TestResumedStream(t *testing.T) {
	target := StartOurs(t, Default)
	s := newSession(target)
	defer s.close()
	keys := []string{"/a/x", "/b/y", "/c", "/a/z", "/c", "/b/y", "/_h/k", "/a/x"}
	var indexes []uint64
	write := func() {
		for _, key := range keys {
			index := put(t, target, key, "value=1").modified()
			if key != "/_h/k" {
				indexes = append(indexes, index)
			}
		}
	}
	write()
	query := "/?wait=true&recursive=true&stream=true&waitIndex=" + strconv.FormatUint(indexes[1], 10)
	s.open(t.Context(), "w", parseTarget(http.MethodGet, query, ""))
	write()
	for i, want := range indexes[1:] {
		if got := s.next("w", eventTimeout).modified(); got != want {
			t.Fatalf("event %d has index %d, want %d", i, got, want)
		}
	}
}
