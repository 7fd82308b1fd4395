package main

import (
	"strings"
	"testing"

	"rollcall/registry/client"
	"rollcall/registry/httpapi/difftest"
)

// newTestClient returns a client of one server.
func newTestClient(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New([]string{url}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func set(t *testing.T, c *client.Client, key, value string) *client.Response {
	t.Helper()
	resp, err := c.Set(t.Context(), key, value, client.SetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func remove(t *testing.T, c *client.Client, key string) {
	t.Helper()
	if _, err := c.Delete(t.Context(), key, client.DeleteOptions{Recursive: true}); err != nil {
		t.Fatal(err)
	}
}

func TestWatchForever(t *testing.T) {
	t.Parallel()
	url := difftest.StartEtcd(t).URL
	c := newTestClient(t, url)
	set(t, c, "/d/a", "1")
	p := start(t, testEnv([]string{"watch", "--forever", "-r", "--after-index", "1", "/d"}, "ROLLCALL_ENDPOINTS="+url))
	p.want(t, "[set] /d/a", "1")
	set(t, c, "/other", "x")
	set(t, c, "/d/a", "2")
	p.want(t, "[set] /d/a", "2")
	remove(t, c, "/d/a")
	remove(t, c, "/d")
	p.want(t, "[delete] /d/a", "", "[delete] /d", "")
	p.stop()
	p.wantCode(t, 0)
}

func TestWatchOnce(t *testing.T) {
	t.Parallel()
	url := difftest.StartEtcd(t).URL
	c := newTestClient(t, url)
	set(t, c, "/a", "1")
	set(t, c, "/a", "2")
	p := start(t, testEnv([]string{"watch", "--after-index", "1", "/a", "--endpoints", url}))
	p.want(t, "1")
	p.wantCode(t, 0)
}

func TestWatchJSON(t *testing.T) {
	t.Parallel()
	url := difftest.StartEtcd(t).URL
	raw := set(t, newTestClient(t, url), "/a", "1").Raw
	p := start(t, testEnv([]string{"watch", "--json", "--after-index", "1", "/a", "--endpoints", url}))
	p.want(t, strings.TrimSpace(string(raw)))
	p.wantCode(t, 0)
}

// TestWatchInterrupted: a watch that was to see one change and saw none has not done its job.
func TestWatchInterrupted(t *testing.T) {
	t.Parallel()
	url := difftest.StartEtcd(t).URL
	p := start(t, testEnv([]string{"watch", "/a", "--endpoints", url}))
	p.stop()
	p.wantCode(t, exitInterrupted)
}

// TestWatchLosesItsPlace: what was missed cannot be shown, so even a watch for ever ends, as etcdctl's does.
func TestWatchLosesItsPlace(t *testing.T) {
	t.Parallel()
	url := difftest.StartEtcd(t).URL
	c := newTestClient(t, url)
	for range 1010 {
		set(t, c, "/a", "1")
	}
	got := runCommand(t.Context(), testEnv([]string{"watch", "--forever", "--after-index", "1", "/a", "--endpoints", url}))
	if got.code != exitRefused || !strings.Contains(got.stderr, "may have been missed: 401: ") {
		t.Errorf("%+v", got)
	}
}
