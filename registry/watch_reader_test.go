package registry

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowReaderLosesItsPlace(t *testing.T) {
	s := New(Options{WatchQueue: 4})
	slow := watch(t, s, "/a", WatchOptions{Stream: true})
	quick := watch(t, s, "/a", WatchOptions{Stream: true})
	for range 4 {
		put(t, s, "/a", file("1"))
	}
	want(t, quick, "set /a", "set /a", "set /a", "set /a")
	fifth := put(t, s, "/a", file("1")) // one too many for the slow one
	put(t, s, "/a", file("1"))
	for range 2 { // told each time it asks
		events, err := unread(slow)
		if got := refusal(t, err); len(events) > 0 || got != "401 the watch was too slow: 4 events were not read in time" {
			t.Errorf("slow reader gets %v, %q", names(events), got)
		}
		if refused, _ := errors.AsType[*Error](err); refused.Index != fifth.Index() {
			t.Errorf("lost at %d, want %d", refused.Index, fifth.Index())
		}
	}
	want(t, quick, "set /a", "set /a")
	if got := s.Stats(); got.WatchesLost != 1 || got.Watchers != 1 {
		t.Errorf("%d lost, %d left; want 1 and 1", got.WatchesLost, got.Watchers)
	}
	slow.Close()
	if got := s.Stats().Watchers; got != 1 {
		t.Errorf("%d left after closing the lost one", got)
	}
}

func TestSlowReaderThatWaitsAgainIsInTime(t *testing.T) {
	s := New(Options{WatchQueue: 2})
	w := watch(t, s, "/a", WatchOptions{Stream: true})
	for range 50 {
		put(t, s, "/a", file("1"))
		put(t, s, "/a", file("1"))
		want(t, w, "set /a", "set /a")
	}
}

// TestBacklogDoesNotCountAsSlow resumes with more events than a queue may hold.
func TestBacklogDoesNotCountAsSlow(t *testing.T) {
	s := New(Options{WatchQueue: 4})
	for i := range 10 {
		put(t, s, "/d/x", file(strconv.Itoa(i)))
	}
	w := watch(t, s, "/d/x", WatchOptions{Since: 1, Stream: true})
	for range 4 {
		put(t, s, "/d/x", file("live"))
	}
	if got := told(t, w); len(got) != 14 {
		t.Errorf("%d events, want 10 of the past and 4 live", len(got))
	}
}

func TestOneShotWatchEndsWithItsEvent(t *testing.T) {
	s := New(Options{})
	w := watch(t, s, "/a", WatchOptions{})
	put(t, s, "/a", file("1"))
	if got := s.Stats().Watchers; got != 0 {
		t.Errorf("%d watches left", got)
	}
	put(t, s, "/a", file("2"))
	want(t, w, "set /a")
	put(t, s, "/a", file("3"))
	want(t, w)
}

func TestCloseOftenAndInAnyOrder(t *testing.T) {
	s := New(Options{})
	var watches []*Watch
	for i := range 10 {
		watches = append(watches, watch(t, s, Key([]string{"/a", "/a/b"}[i%2]), WatchOptions{Stream: true}))
	}
	for _, i := range []int{4, 0, 9, 4, 5, 0} {
		watches[i].Close()
	}
	put(t, s, "/a/b", file("1"))
	remove(t, s, "/a")
	for i, w := range watches {
		switch {
		case slices.Contains([]int{0, 4, 5, 9}, i):
			want(t, w)
		case i%2 == 0:
			want(t, w, "delete /a")
		default:
			want(t, w, "set /a/b", "delete /a")
		}
		w.Close()
	}
	if got := s.Stats().Watchers; got != 0 || s.hub.byKey.Len() != 0 {
		t.Errorf("%d watches left, on %d keys", got, s.hub.byKey.Len())
	}
}

func TestCloseKeepsWhatWasDelivered(t *testing.T) {
	s := New(Options{})
	w := watch(t, s, "/a", WatchOptions{Stream: true})
	put(t, s, "/a", file("1"))
	w.Close()
	put(t, s, "/a", file("2"))
	want(t, w, "set /a")
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		w := watch(t, s, "/a", WatchOptions{Stream: true})
		time.AfterFunc(time.Minute, func() { put(t, s, "/a", file("1")) })
		begin := time.Now()
		e, err := w.Next(t.Context())
		if err != nil || e.Node.Value != "1" || time.Since(begin) != time.Minute {
			t.Errorf("after %v: %v, %v", time.Since(begin), e, err)
		}
		cause := errors.New("the reader has gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		if _, err := w.Next(ctx); !errors.Is(err, cause) {
			t.Errorf("Next ends with %v", err)
		}
	})
}
