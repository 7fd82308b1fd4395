package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// operations are one of each kind of request; those of the second list must never be sent twice.
var (
	repeatable = map[string]func(context.Context, *Client) (*Response, error){
		"get": func(ctx context.Context, c *Client) (*Response, error) { return c.Get(ctx, "/k", GetOptions{}) },
		"set": func(ctx context.Context, c *Client) (*Response, error) { return c.Set(ctx, "/k", "v", SetOptions{}) },
		"update": func(ctx context.Context, c *Client) (*Response, error) {
			return c.Update(ctx, "/k", "v", UpdateOptions{})
		},
		"delete": func(ctx context.Context, c *Client) (*Response, error) { return c.Delete(ctx, "/k", DeleteOptions{}) },
	}
	unrepeatable = map[string]func(context.Context, *Client) (*Response, error){
		"create": func(ctx context.Context, c *Client) (*Response, error) {
			return c.Create(ctx, "/k", "v", CreateOptions{})
		},
		"in order": func(ctx context.Context, c *Client) (*Response, error) {
			return c.CreateInOrder(ctx, "/k", "v", CreateOptions{})
		},
		"swap": func(ctx context.Context, c *Client) (*Response, error) {
			return c.Set(ctx, "/k", "v", SetOptions{PrevValue: "u"})
		},
		"compare and delete": func(ctx context.Context, c *Client) (*Response, error) {
			return c.Delete(ctx, "/k", DeleteOptions{PrevIndex: 3})
		},
	}
)

// hosts are the nodes that were asked, as one string.
func hosts(asked []string) string {
	var b strings.Builder
	for _, a := range asked {
		b.WriteString(a[:1])
	}
	return b.String()
}

// TestNodeThatDidNothing: when the node certainly has not done the request, every kind of request goes on to the next.
func TestNodeThatDidNothing(t *testing.T) {
	t.Parallel()
	failures := map[string]nodeFunc{
		"refused":       refused,
		"not ready":     refuses(http.StatusServiceUnavailable, 301), // a registry node before its first sync
		"no leader":     refuses(http.StatusServiceUnavailable, 300),
		"proxy":         says(http.StatusServiceUnavailable, 0, "<html>"),
		"other service": says(http.StatusNotFound, 0, "404 page not found"),
	}
	for failure, node := range failures {
		for _, ops := range []map[string]func(context.Context, *Client) (*Response, error){repeatable, unrepeatable} {
			for name, op := range ops {
				c, f := newFake(t, Options{}, node, sets(5))
				resp, err := op(t.Context(), c)
				if err != nil || resp.Endpoint != "http://b" {
					t.Errorf("%s, %s: %v, %v; want the second node's answer", failure, name, resp, err)
				}
				if got := hosts(f.takeAsked()); got != "ab" {
					t.Errorf("%s, %s: asked %s, want ab", failure, name, got)
				}
			}
		}
	}
}

// TestNodeThatMayHaveDoneIt: when the answer is lost, only what can be repeated is.
func TestNodeThatMayHaveDoneIt(t *testing.T) {
	t.Parallel()
	failures := map[string]nodeFunc{
		"cut":            cut,
		"broken body":    brokenPoll(5, `{"action":"se`),
		"not an answer":  says(http.StatusOK, 5, "ok"),
		"empty answer":   says(http.StatusOK, 5, ""),
		"server error":   refuses(http.StatusInternalServerError, 300),
		"proxy time-out": says(http.StatusGatewayTimeout, 0, "<html>"),
	}
	for failure, node := range failures {
		for name, op := range repeatable {
			c, _ := newFake(t, Options{}, node, sets(5))
			if resp, err := op(t.Context(), c); err != nil || resp.Endpoint != "http://b" {
				t.Errorf("%s, %s: %v, %v; want the second node's answer", failure, name, resp, err)
			}
		}
		for name, op := range unrepeatable {
			c, f := newFake(t, Options{}, node, sets(5))
			_, err := op(t.Context(), c)
			if !IsOutcomeUnknown(err) {
				t.Errorf("%s, %s: error %v, want an unknown outcome", failure, name, err)
			}
			if got := hosts(f.takeAsked()); got != "a" {
				t.Errorf("%s, %s: asked %s, want a alone", failure, name, got)
			}
			if _, err := c.Get(t.Context(), "/k", GetOptions{}); err != nil || hosts(f.takeAsked()) != "b" {
				t.Errorf("%s, %s: the next request does not go to the next node", failure, name)
			}
		}
	}
}

func TestRefusalIsAnAnswer(t *testing.T) {
	t.Parallel()
	c, f := newFake(t, Options{}, refuses(http.StatusNotFound, CodeKeyNotFound), sets(5))
	_, err := c.Get(t.Context(), "/k", GetOptions{})
	e, ok := errors.AsType[*Error](err)
	if !ok || !IsNotFound(err) || *e != (Error{CodeKeyNotFound, "m", "/k", 9, 404}) {
		t.Errorf("error %#v", err)
	}
	if e.Error() != "100: m (/k) [9]" {
		t.Errorf("text %q", e.Error())
	}
	if got := hosts(f.takeAsked()); got != "a" {
		t.Errorf("asked %s, want a alone", got)
	}
}

func TestStaysWithTheNodeThatAnswers(t *testing.T) {
	t.Parallel()
	c, f := newFake(t, Options{}, refused, sets(5), sets(6))
	for range 3 {
		if _, err := c.Get(t.Context(), "/k", GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	f.set("b", refused)
	f.set("a", sets(7))
	for range 2 {
		if _, err := c.Get(t.Context(), "/k", GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := hosts(f.takeAsked()); got != "abbb"+"bc"+"c" {
		t.Errorf("asked %s, want abbb, then bc, then c", got)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, f := newFake(t, Options{Rounds: 3}, refused, refuses(http.StatusServiceUnavailable, CodeKeyNotFound))
		began := time.Now()
		_, err := c.Get(t.Context(), "/k", GetOptions{})
		e, ok := errors.AsType[*UnavailableError](err)
		if !ok || len(e.Failures) != 2 {
			t.Fatalf("error %v, want one of two failures", err)
		}
		if IsNotFound(err) {
			t.Error("a failure of one node counts as the answer")
		}
		if !strings.Contains(err.Error(), "http://a: dial") || !strings.Contains(err.Error(), "http://b: 100") {
			t.Errorf("text %q does not name the nodes and their failures", err)
		}
		if got := hosts(f.takeAsked()); got != "ababab" {
			t.Errorf("asked %s, want three rounds", got)
		}
		if took := time.Since(began); took < 3*minPause/2 || took > 3*minPause {
			t.Errorf("took %v, want two growing pauses", took)
		}
	})
}

// TestPasswordIsNotTold: a URL's password is sent and never shown.
func TestPasswordIsNotTold(t *testing.T) {
	t.Parallel()
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "root" || password != "secret" {
			t.Errorf("asked as %q with %q", user, password)
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(node.Close)
	c, err := New([]string{"http://root:secret@" + node.Listener.Addr().String()}, Options{Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, unavailable := c.Get(t.Context(), "/k", GetOptions{})
	_, unknown := c.Create(t.Context(), "/k", "v", CreateOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, ended := c.attempt(ctx, c.nodes.all[0], request{method: http.MethodGet})
	for want, err := range map[string]error{"no registry node answers": unavailable, "may have been done": unknown, "context canceled": ended} {
		if text := fmt.Sprint(err); strings.Contains(text, "secret") || !strings.Contains(text, "root:xxxxx@") || !strings.Contains(text, want) {
			t.Errorf("the error is %q, want one with %q and without the password", text, want)
		}
	}
}

// TestHungNode: a node that takes the request and says nothing costs one time-out, and says so.
func TestHungNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := newFake(t, Options{Timeout: 3 * time.Second}, hangs, sets(5))
		began := time.Now()
		if _, err := c.Get(t.Context(), "/k", GetOptions{}); err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
		c, _ = newFake(t, Options{}, hangs)
		_, err := c.Create(t.Context(), "/k", "v", CreateOptions{})
		if !IsOutcomeUnknown(err) || !strings.Contains(err.Error(), "no answer within 5s") {
			t.Errorf("error %v", err)
		}
	})
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c, f := newFake(t, Options{}, hangs, sets(5))
		if _, err := c.Set(ctx, "/k", "v", SetOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		if _, err := c.Create(ctx, "/k", "v", CreateOptions{}); !errors.Is(err, context.DeadlineExceeded) || IsOutcomeUnknown(err) {
			t.Errorf("error %v, want the context's: nothing was sent", err)
		}
		if got := hosts(f.takeAsked()); got != "a" {
			t.Errorf("asked %s: it goes on after the end of the context", got)
		}
		c, _ = newFake(t, Options{Rounds: 100}, refused)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Get(ctx, "/k", GetOptions{}); !errors.Is(err, context.DeadlineExceeded) || !IsUnavailable(err) {
			t.Errorf("error %v, want the context's and the nodes'", err)
		}
	})
}

// TestRedirects: a 307 of an old follower is followed with the body; a 301 would turn the PUT into a GET.
func TestRedirects(t *testing.T) {
	t.Parallel()
	redirect := func(status int) nodeFunc {
		return func(req *http.Request) (*http.Response, error) {
			resp, err := says(status, 0, "")(req)
			resp.Header.Set("Location", "http://leader"+req.URL.RequestURI())
			return resp, err
		}
	}
	leader := func(req *http.Request) (*http.Response, error) {
		if err := req.ParseForm(); err != nil || req.Form.Get("value") != "v" {
			return says(http.StatusBadRequest, 0, "no value")(req)
		}
		return sets(8)(req)
	}
	c, f := newFake(t, Options{}, redirect(http.StatusTemporaryRedirect))
	f.set("leader", leader)
	if resp, err := c.Set(t.Context(), "/k", "v", SetOptions{}); err != nil || resp.Index != 8 {
		t.Errorf("307: %v, %v", resp, err)
	}
	c, f = newFake(t, Options{Rounds: 1}, redirect(http.StatusMovedPermanently))
	f.set("leader", sets(8))
	if resp, err := c.Set(t.Context(), "/k", "v", SetOptions{}); !IsUnavailable(err) {
		t.Errorf("301: %v, %v; want a failure", resp, err)
	}
	if got := f.takeAsked(); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "leader") }) {
		t.Errorf("301 is followed: %v", got)
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	body := `{"action":"update","node":{"key":"/d","dir":true,"ttl":3,"expiration":"2026-11-23T10:00:00.5Z","modifiedIndex":7,` +
		`"createdIndex":6,"nodes":[{"key":"/d/x","value":"","modifiedIndex":5,"createdIndex":5}]},"prevNode":{"key":"/d","dir":true}}`
	c, _ := newFake(t, Options{}, says(http.StatusOK, 12, body))
	r, err := c.Get(t.Context(), "/d", GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Action != ActionUpdate || r.Index != 12 || r.ClusterID != "cafe" || r.Endpoint != "http://a" || string(r.Raw) != body {
		t.Errorf("response %+v", r)
	}
	n := r.Node
	if !n.Dir || n.TTL != 3 || n.ModifiedIndex != 7 || n.CreatedIndex != 6 || len(n.Nodes) != 1 || n.Nodes[0].Key != "/d/x" ||
		!n.Expiration.Equal(time.Date(2026, 11, 23, 10, 0, 0, 5e8, time.UTC)) || r.PrevNode.Key != "/d" {
		t.Errorf("node %+v", n)
	}
}

// TestPauses checks the law of the back-off: never more than the bound, never less than half of it, growing to it.
func TestPauses(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{1: minPause, 2: 2 * minPause, 4: 8 * minPause, 30: maxPause, 1 << 30: maxPause} {
		for range 100 {
			if got := pause(n); got > want || got < want/2 {
				t.Fatalf("pause(%d) = %v, want between %v and %v", n, got, want/2, want)
			}
		}
	}
}
