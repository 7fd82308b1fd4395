package registry

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// want fails unless a watch has exactly these events to tell, as "action key".
func want(tb testing.TB, w *Watch, lines ...string) {
	tb.Helper()
	if got := told(tb, w); !slices.Equal(got, lines) {
		tb.Errorf("watch on %s %+v: %q, want %q", w.key, w.opts, got, lines)
	}
}

// TestWatchSees writes the same events before and after a watch begins: the history
// and the live delivery must tell the same.
func TestWatchSees(t *testing.T) {
	events := func(s *Store) {
		put(t, s, "/d/x", file("1"))
		put(t, s, "/d/x", file("1")) // an unchanged value without a lease is news
		put(t, s, "/dd/x", file("1"))
		put(t, s, "/d/_h/y", file("1"))
		put(t, s, "/_h/y", file("1"))
		put(t, s, "/d", PutOptions{Exist: MustExist, Dir: true, TTL: time.Hour})
		remove(t, s, "/d/x")
		remove(t, s, "/d")
		put(t, s, "/d", file("1"))
		put(t, s, "/d", PutOptions{Dir: true})
		remove(t, s, "/_h")
	}
	inD := []string{"set /d/x", "set /d/x", "update /d", "delete /d/x", "delete /d", "set /d", "set /d"}
	tests := []struct {
		key       Key
		recursive bool
		want      []string
	}{
		{"/", false, nil},
		{"/", true, []string{
			"set /d/x", "set /d/x", "set /dd/x", "update /d", "delete /d/x", "delete /d", "set /d", "set /d",
		}},
		{"/d", false, []string{"update /d", "delete /d", "set /d", "set /d"}},
		{"/d", true, inD},
		{"/d/x", false, []string{"set /d/x", "set /d/x", "delete /d/x", "delete /d"}},
		{"/d/x", true, []string{"set /d/x", "set /d/x", "delete /d/x", "delete /d"}},
		{"/d/_h", true, []string{"set /d/_h/y", "delete /d"}},
		{"/d/_h/y", false, []string{"set /d/_h/y", "delete /d"}},
		{"/d/never/was", false, []string{"delete /d"}},
		{"/dd", true, []string{"set /dd/x"}},
		{"/_h", true, []string{"set /_h/y", "delete /_h"}},
		{"/_h/y", false, []string{"set /_h/y", "delete /_h"}},
		{"/never", true, nil},
	}
	for _, tt := range tests {
		s := New(Options{})
		stream := WatchOptions{Recursive: tt.recursive, Stream: true}
		live := watch(t, s, tt.key, stream)
		once := watch(t, s, tt.key, WatchOptions{Recursive: tt.recursive})
		events(s)
		want(t, live, tt.want...)
		want(t, once, tt.want[:min(1, len(tt.want))]...)
		for _, since := range []uint64{1, s.start, s.start + 1} {
			stream.Since = since
			want(t, watch(t, s, tt.key, stream), tt.want...)
		}
	}
}

// TestWatchResumes resumes from behind each event in turn and gets exactly the rest.
func TestWatchResumes(t *testing.T) {
	s := New(Options{})
	all := watch(t, s, "/", WatchOptions{Recursive: true, Stream: true})
	for i := range 20 {
		put(t, s, Key(fmt.Sprintf("/n%d/x", i%3)), file("1"))
	}
	events, err := unread(all)
	if err != nil || len(events) != 20 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, e := range events {
		w := watch(t, s, "/", WatchOptions{Recursive: true, Stream: true, Since: e.Index() + 1})
		rest, err := unread(w)
		if err != nil || !slices.Equal(rest, events[i+1:]) {
			t.Errorf("after event %d: %v, %v", i, names(rest), err)
		}
		one, err := unread(watch(t, s, "/", WatchOptions{Recursive: true, Since: e.Index()}))
		if err != nil || !slices.Equal(one, events[i:i+1]) {
			t.Errorf("one event from %d on: %v, %v", i, names(one), err)
		}
	}
}

func TestWatchFromTheFuture(t *testing.T) {
	s := New(Options{})
	future := s.Index() + 1<<40 // two months ahead
	later := watch(t, s, "/a", WatchOptions{Since: future, Stream: true})
	once := watch(t, s, "/a", WatchOptions{Since: future})
	put(t, s, "/a", file("1"))
	want(t, later)
	want(t, once)
	s.index.last = future - 1
	put(t, s, "/a", file("2"))
	want(t, later, "set /a")
	want(t, once, "set /a")
}

func TestWatchRefusesIndexes(t *testing.T) {
	const former = uint64(2)<<48 | 1<<47 // the last index of the former run, ahead of the clock
	s := New(Options{Tag: 2, AfterIndex: former, History: 2})
	start := s.start
	tests := []struct {
		name  string
		since uint64
		ok    bool
	}{
		{"from now", 0, true},
		{"from the beginning", 1, true},
		{"from the beginning, large", 1<<48 - 1, true},
		{"first index of this run", start, true},
		{"next index", start + 1, true},
		{"last index of the former run", former, false},
		{"next index of the former run", former + 1, false},
		{"an old index of the former run", 2 << 48, false},
		{"another node", 3<<48 | 1<<47, false},
		{"a node with a smaller tag", 1<<48 | 1<<47, false},
		{"no node at all", 1 << 60, false},
	}
	for _, tt := range tests {
		w, err := s.Watch("/a", WatchOptions{Since: tt.since})
		if tt.ok {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			w.Close()
			continue
		}
		wantErr := fmt.Sprintf("401 the requested history has been cleared [%d/%d]", start, tt.since)
		if got := refusal(t, err); got != wantErr {
			t.Errorf("%s: %q, want %q", tt.name, got, wantErr)
		}
	}
	if got := s.Stats(); got.Watches != 5 || got.Watchers != 0 {
		t.Errorf("%d watches begun, %d left; want 5 and 0", got.Watches, got.Watchers)
	}
}

func TestWatchAfterEviction(t *testing.T) {
	s := New(Options{History: 4})
	var events []*Event
	for range 10 {
		events = append(events, put(t, s, "/busy/x", file("1")))
	}
	quiet := put(t, s, "/quiet/x", file("1")) // the busy name gives up one more
	lost := events[6]
	tests := []struct {
		key   Key
		since uint64
		ok    bool
	}{
		{"/busy", lost.Index(), false},
		{"/busy", lost.Index() + 1, true},
		{"/busy", 1, false}, // from the beginning: some of it is lost
		{"/quiet", 1, true},
		{"/quiet", events[0].Index(), true},
		{"/never", events[0].Index(), true},
		{"/", lost.Index(), false},
		{"/", lost.Index() + 1, true},
		{"/", quiet.Index(), true},
		{"/", 1, false},
	}
	for _, tt := range tests {
		_, err := s.Watch(tt.key, WatchOptions{Since: tt.since, Recursive: true})
		if (err == nil) != tt.ok {
			t.Errorf("%s since %d: %v", tt.key, tt.since, err)
		}
	}
	_, err := s.Watch("/busy", WatchOptions{Since: lost.Index()})
	if want := fmt.Sprintf("401 the requested history has been cleared [%d/%d]", lost.Index()+1, lost.Index()); refusal(t, err) != want {
		t.Errorf("%q, want %q", refusal(t, err), want)
	}
	if refused, _ := errors.AsType[*Error](err); refused.Index != s.Index() {
		t.Errorf("the refusal is of index %d, now is %d", refused.Index, s.Index())
	}
}

// TestEventsShareTheirRendering gives live watches and history the same value.
func TestEventsShareTheirRendering(t *testing.T) {
	s := New(Options{})
	live := watch(t, s, "/a", WatchOptions{Stream: true})
	e := put(t, s, "/a", file("1"))
	for _, w := range []*Watch{live, watch(t, s, "/a", WatchOptions{Since: e.Index()})} {
		if got, err := unread(w); err != nil || len(got) != 1 || got[0] != e {
			t.Errorf("%v, %v is not the one event", names(got), err)
		}
	}
}

// TestHistoryIsAsItWas reads an event after its entry has changed and gone.
func TestHistoryIsAsItWas(t *testing.T) {
	s := New(Options{})
	e := put(t, s, "/a", putLeased("old", time.Hour))
	was := looks(e.Node)
	put(t, s, "/a", file("new"))
	remove(t, s, "/a")
	got, err := unread(watch(t, s, "/a", WatchOptions{Since: e.Index()}))
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", names(got), err)
	}
	if diff := gocmp.Diff(was, looks(got[0].Node)); diff != "" {
		t.Errorf("event (-then +now):\n%s", diff)
	}
}
