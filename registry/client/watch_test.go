package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// change answers a poll that began at index with a change.
func change(index, modified uint64) nodeFunc {
	return says(http.StatusOK, index, fmt.Sprintf(`{"action":"set","node":{"key":"/d/x","value":"v","modifiedIndex":%d,"createdIndex":%d}}`, modified, modified)+"\n")
}

// ended is a poll that the node ends without a change.
func ended(index uint64) nodeFunc { return says(http.StatusOK, index, "") }

// waitIndexes are the polls that were made, as "host:waitIndex".
func waitIndexes(t *testing.T, asked []string) []string {
	t.Helper()
	var out []string
	for _, a := range asked {
		host, rest, _ := strings.Cut(a, " GET ")
		u, err := url.ParseRequestURI(rest)
		if err != nil || u.Query().Get("wait") != "true" {
			t.Fatalf("not a poll: %s", a)
		}
		out = append(out, host+":"+u.Query().Get("waitIndex"))
	}
	return out
}

func wantPolls(t *testing.T, f *fakeNodes, want ...string) {
	t.Helper()
	if got := waitIndexes(t, f.takeAsked()); !slices.Equal(got, want) {
		t.Errorf("polls %v, want %v", got, want)
	}
}

func TestWatchAsksForTheNextChange(t *testing.T) {
	t.Parallel()
	c, f := newFake(t, Options{}, replies(change(10, 14), change(14, 20), change(30, 22)))
	w := c.Watch("/d", WatchOptions{AfterIndex: 10, Recursive: true})
	for _, want := range []uint64{14, 20, 22} {
		resp, err := w.Next(t.Context())
		if err != nil || resp.Node.ModifiedIndex != want || w.After() != want {
			t.Fatalf("Next: %+v, %v; want change %d", resp, err, want)
		}
	}
	if asked := f.takeAsked(); asked[1] != "a GET /v2/keys/d?recursive=true&wait=true&waitIndex=15" {
		t.Errorf("polls %v", asked)
	}
}

// TestWatchFromNow takes its place from the first poll's headers: what happens after it is not missed, even if that
// poll brings nothing.
func TestWatchFromNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := newFake(t, Options{}, replies(refused, brokenPoll(50, ""), change(60, 55)))
		if _, err := c.Watch("/d", WatchOptions{}).Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantPolls(t, f, "a:", "a:", "a:51")
	})
}

// TestPollsWithoutChange: a clean end proves that nothing had happened up to the header's index; a broken one does not.
func TestPollsWithoutChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := newFake(t, Options{}, replies(ended(70), brokenPoll(80, ""), brokenPoll(80, `{"action":"se`), change(80, 77)))
		resp, err := c.Watch("/d", WatchOptions{AfterIndex: 10}).Next(t.Context())
		if err != nil || resp.Node.ModifiedIndex != 77 {
			t.Fatalf("Next: %+v, %v", resp, err)
		}
		wantPolls(t, f, "a:11", "a:71", "a:71", "a:71")
	})
}

// TestEndedPollsDoNotSpin: a node that ends polls at once is asked more and more rarely.
func TestEndedPollsDoNotSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, f := newFake(t, Options{}, ended(70))
		if _, err := c.Watch("/d", WatchOptions{AfterIndex: 10}).Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if n := len(f.takeAsked()); n < 10 || n > 40 {
			t.Errorf("%d polls in a minute", n)
		}
	})
}

// TestSilentPoll: silence is renewed now and then, from the same place.
func TestSilentPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c, f := newFake(t, Options{}, silentPoll(70))
		w := c.Watch("/d", WatchOptions{AfterIndex: 10})
		if _, err := w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) || w.After() != 10 {
			t.Errorf("error %v, after %d", err, w.After())
		}
		asked := waitIndexes(t, f.takeAsked())
		if len(asked) < 12 || len(asked) > 16 || asked[len(asked)-1] != "a:11" {
			t.Errorf("polls in an hour: %v", asked)
		}
		f.set("a", change(70, 11))
		if resp, err := w.Next(t.Context()); err != nil || resp.Node.ModifiedIndex != 11 {
			t.Errorf("after the end of a context: %+v, %v", resp, err)
		}
	})
}

// TestWatchFailover: another node either knows the index, as in an etcd cluster, or refuses it.
func TestWatchFailover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, failure := range map[string]nodeFunc{
			"refused": refused, "cut": cut, "not ready": refuses(503, 301), "hangs": hangs, "nonsense": says(200, 20, "ok"),
			"seen change": change(20, 10), "no node": says(200, 20, `{"action":"set"}`), "created": says(201, 20, `{"action":"set"}`),
		} {
			c, f := newFake(t, Options{}, failure, change(30, 25))
			resp, err := c.Watch("/d", WatchOptions{AfterIndex: 10}).Next(t.Context())
			if err != nil || resp.Node.ModifiedIndex != 25 || resp.Endpoint != "http://b" {
				t.Errorf("%s: %+v, %v", name, resp, err)
			}
			wantPolls(t, f, "a:11", "b:11")

			f.set("b", refuses(http.StatusBadRequest, CodeIndexCleared))
			w := c.Watch("/d", WatchOptions{AfterIndex: 10})
			w.place = 0
			for range 2 {
				_, err = w.Next(t.Context())
				e, ok := errors.AsType[*LostPlaceError](err)
				if !ok || e.After != 10 || !IsLostPlace(err) {
					t.Errorf("%s: error %v, want a lost place", name, err)
				}
			}
			wantPolls(t, f, "a:11", "b:11")
		}
	})
}

// TestWatchKeepsItsNode: other requests that go elsewhere do not take the watcher to a node that does not know its index.
func TestWatchKeepsItsNode(t *testing.T) {
	t.Parallel()
	c, f := newFake(t, Options{}, replies(change(1, 2), cut, change(2, 3)), replies(sets(9)))
	w := c.Watch("/d", WatchOptions{AfterIndex: 1})
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "/k", GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := hosts(f.takeAsked()); got != "aab" {
		t.Fatalf("asked %s, want the get to move on", got)
	}
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPolls(t, f, "a:3")
}

// TestIndexBehind: a node that has not come to the index would let the watcher wait for ever.
func TestIndexBehind(t *testing.T) {
	t.Parallel()
	c, _ := newFake(t, Options{}, silentPoll(9))
	_, err := c.Watch("/d", WatchOptions{AfterIndex: 10}).Next(t.Context())
	if !IsLostPlace(err) || !errors.Is(err, errIndexBehind) {
		t.Errorf("error %v, want a lost place", err)
	}
}

func TestWatchRefused(t *testing.T) {
	t.Parallel()
	c, f := newFake(t, Options{}, replies(refuses(http.StatusUnauthorized, CodeUnauthorized), change(1, 2)))
	w := c.Watch("/d", WatchOptions{AfterIndex: 1})
	if _, err := w.Next(t.Context()); !hasCode(err, CodeUnauthorized) || IsLostPlace(err) {
		t.Errorf("error %v", err)
	}
	if _, err := w.Next(t.Context()); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
	wantPolls(t, f, "a:2", "a:2")
	if _, err := c.Watch("/d/../e", WatchOptions{}).Next(t.Context()); err == nil {
		t.Error("a key that cannot be is watched")
	}
}

// TestWatchUnavailable: the caller hears of it, and the pauses go on growing from call to call.
func TestWatchUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := newFake(t, Options{}, refused, hangs)
		w := c.Watch("/d", WatchOptions{AfterIndex: 10})
		for range 6 {
			_, err := w.Next(t.Context())
			if e, ok := errors.AsType[*UnavailableError](err); !ok || len(e.Failures) != 2 {
				t.Fatalf("error %v", err)
			}
		}
		if got := hosts(f.takeAsked()); got != strings.Repeat("ab", 12) {
			t.Errorf("asked %s, want twelve rounds", got)
		}
		if w.wait < maxPause/2 {
			t.Errorf("pause %v after twelve rounds", w.wait)
		}
		f.set("b", change(30, 25))
		began := time.Now()
		if resp, err := w.Next(t.Context()); err != nil || resp.Node.ModifiedIndex != 25 || time.Since(began) > maxPause {
			t.Errorf("recovery: %+v, %v after %v", resp, err, time.Since(began))
		}
	})
}
