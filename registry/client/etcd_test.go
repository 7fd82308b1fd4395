package client_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"rollcall/registry"
	"rollcall/registry/client"
	"rollcall/registry/httpapi"
	"rollcall/registry/httpapi/difftest"
)

// eachServer runs a test against the real etcd and against the registry.
func eachServer(t *testing.T, test func(*testing.T, *client.Client)) {
	t.Helper()
	t.Run("etcd", func(t *testing.T) {
		t.Parallel()
		test(t, newClient(t, difftest.StartEtcd(t).URL))
	})
	t.Run("registry", func(t *testing.T) {
		t.Parallel()
		test(t, newClient(t, startRegistry(t, 1)))
	})
}

// startRegistry runs a node until the test ends and returns its URL. The tag tells nodes' indexes apart.
func startRegistry(tb testing.TB, tag uint64) string {
	tb.Helper()
	store := registry.New(registry.Options{Tag: tag})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { store.Run(ctx); close(done) }()
	server := httptest.NewServer(httpapi.New(store, httpapi.Options{Name: "dot"}))
	tb.Cleanup(func() {
		cancel()
		<-done
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

func newClient(tb testing.TB, endpoints ...string) *client.Client {
	tb.Helper()
	c, err := client.New(endpoints, client.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// must is for steps that every server has to take.
func must(t *testing.T) func(*client.Response, error) *client.Response {
	t.Helper()
	return func(r *client.Response, err error) *client.Response {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func TestWritesAndReads(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, c *client.Client) {
		t.Helper()
		ctx, ok := t.Context(), must(t)
		r := ok(c.Set(ctx, "/d/a", "1", client.SetOptions{TTL: 90 * time.Second}))
		if r.Action != client.ActionSet || r.Node.TTL != 90 || r.Node.Expiration.IsZero() || r.PrevNode != nil {
			t.Errorf("set: %+v %+v", r, r.Node)
		}
		r = ok(c.Set(ctx, "/d/a", "", client.SetOptions{Refresh: true, TTL: 50 * time.Second}))
		if r.Node.Value != "1" || r.Node.TTL != 50 {
			t.Errorf("refresh: %+v", r.Node)
		}
		r = ok(c.Update(ctx, "/d/a", "2", client.UpdateOptions{}))
		if r.Action != client.ActionUpdate || r.Node.TTL != 0 || r.PrevNode.Value != "1" {
			t.Errorf("update: %+v %+v", r, r.Node)
		}
		r = ok(c.Set(ctx, "/d/a", "3", client.SetOptions{PrevValue: "2", PrevIndex: r.Node.ModifiedIndex}))
		if r.Action != client.ActionCompareAndSwap || r.Node.Value != "3" {
			t.Errorf("swap: %+v %+v", r, r.Node)
		}
		r = ok(c.CreateInOrder(ctx, "/d/q", "x", client.CreateOptions{}))
		if r.Action != client.ActionCreate || len(r.Node.Key) != len("/d/q/")+20 {
			t.Errorf("in order: %+v", r.Node)
		}
		ok(c.Create(ctx, "/d/e", "", client.CreateOptions{Dir: true}))
		if r = ok(c.Set(ctx, "/d/a", "4", client.SetOptions{NoValueOnSuccess: true})); r.Node != nil {
			t.Errorf("set without a value in the answer: %+v", r.Node)
		}
		r = ok(c.Get(ctx, "/d", client.GetOptions{Recursive: true, Sorted: true, Quorum: true}))
		if len(r.Node.Nodes) != 3 || r.Node.Nodes[0].Value != "4" || !r.Node.Nodes[1].Dir || r.Node.Nodes[2].Nodes[0].Value != "x" || r.Index == 0 {
			t.Errorf("listing: %s", r.Raw)
		}
		if r = ok(c.Delete(ctx, "/d/a", client.DeleteOptions{PrevValue: "4"})); r.Action != client.ActionCompareAndDelete {
			t.Errorf("compare and delete: %+v", r)
		}
		ok(c.Delete(ctx, "/d/e", client.DeleteOptions{Dir: true}))
		ok(c.Delete(ctx, "/d", client.DeleteOptions{Recursive: true}))
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, c *client.Client) {
		t.Helper()
		ctx := t.Context()
		must(t)(c.Set(ctx, "/d/a", "1", client.SetOptions{}))
		for name, step := range map[string]struct {
			run func() (*client.Response, error)
			is  func(error) bool
		}{
			"missing":   {func() (*client.Response, error) { return c.Get(ctx, "/none", client.GetOptions{}) }, client.IsNotFound},
			"present":   {func() (*client.Response, error) { return c.Create(ctx, "/d/a", "1", client.CreateOptions{}) }, client.IsExists},
			"directory": {func() (*client.Response, error) { return c.Set(ctx, "/d", "1", client.SetOptions{}) }, client.IsNotFile},
			"file":      {func() (*client.Response, error) { return c.Set(ctx, "/d/a/b", "1", client.SetOptions{}) }, client.IsNotDir},
			"other": {func() (*client.Response, error) {
				return c.Set(ctx, "/d/a", "1", client.SetOptions{PrevValue: "x"})
			}, client.IsTestFailed},
			"full":  {func() (*client.Response, error) { return c.Delete(ctx, "/d", client.DeleteOptions{Dir: true}) }, client.IsDirNotEmpty},
			"empty": {func() (*client.Response, error) { return c.Update(ctx, "/none", "", client.UpdateOptions{}) }, client.IsNotFound},
		} {
			if _, err := step.run(); !step.is(err) || client.IsUnavailable(err) {
				t.Errorf("%s: error %v", name, err)
			}
		}
	})
}

// TestKeysOnServers: what a server stores under an odd key is found in its listing under that key.
func TestKeysOnServers(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, c *client.Client) {
		t.Helper()
		ctx, ok := t.Context(), must(t)
		for _, name := range []string{
			"a b", "a+b", "100%", "%2F", "?x=1&y", "#frag", "semi;colon", "ü\u2028é", "日本", "\"quoted\"", "tab\there", "new\nline", "<&>", "back\\slash", "~", "...", "a:b@c",
		} {
			ok(c.Set(ctx, "/odd/"+name, "v "+name, client.SetOptions{}))
			r := ok(c.Get(ctx, "/odd/"+name, client.GetOptions{}))
			if r.Node.Key != "/odd/"+name || r.Node.Value != "v "+name {
				t.Errorf("%q arrives as %q = %q", name, r.Node.Key, r.Node.Value)
			}
			ok(c.Delete(ctx, "/odd/"+name, client.DeleteOptions{}))
		}
		if r := ok(c.Get(ctx, "/odd", client.GetOptions{})); len(r.Node.Nodes) != 0 {
			t.Errorf("left over: %s", r.Raw)
		}
	})
}

func TestWatchOnServers(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, c *client.Client) {
		t.Helper()
		ctx, ok := t.Context(), must(t)
		start := ok(c.Set(ctx, "/w/a", "0", client.SetOptions{}))
		w := c.Watch("/w", client.WatchOptions{AfterIndex: start.Index, Recursive: true})
		writes := []func() (*client.Response, error){
			func() (*client.Response, error) { return c.Set(ctx, "/w/a", "1", client.SetOptions{}) },
			func() (*client.Response, error) { return c.Set(ctx, "/other", "1", client.SetOptions{}) },
			func() (*client.Response, error) { return c.Update(ctx, "/w/a", "2", client.UpdateOptions{}) },
			func() (*client.Response, error) {
				return c.Create(ctx, "/w/b", "3", client.CreateOptions{TTL: time.Second})
			},
			func() (*client.Response, error) { return c.Delete(ctx, "/w/a", client.DeleteOptions{}) },
		}
		for _, write := range writes {
			ok(write())
		}
		var last uint64
		for _, want := range []string{"set 1", "update 2", "create 3", "delete ", "expire "} {
			r := ok(w.Next(ctx))
			if got := r.Action + " " + r.Node.Value; got != want || r.Node.ModifiedIndex <= last {
				t.Errorf("change %q at %d, want %q after %d", got, r.Node.ModifiedIndex, want, last)
			}
			last = r.Node.ModifiedIndex
		}
		quiet, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if r, err := w.Next(quiet); err == nil {
			t.Errorf("a change out of nothing: %+v", r.Node)
		}
		ok(c.Set(ctx, "/w/c", "4", client.SetOptions{}))
		if r := ok(w.Next(ctx)); r.Node.Value != "4" {
			t.Errorf("after a pause: %+v", r.Node)
		}
	})
}

// TestHistoryClearedOnEtcd: etcd keeps the last thousand changes.
func TestHistoryClearedOnEtcd(t *testing.T) {
	t.Parallel()
	c := newClient(t, difftest.StartEtcd(t).URL)
	first := must(t)(c.Set(t.Context(), "/a", "0", client.SetOptions{}))
	for range 1001 {
		must(t)(c.Set(t.Context(), "/b", "0", client.SetOptions{NoValueOnSuccess: true}))
	}
	if _, err := c.Watch("/a", client.WatchOptions{AfterIndex: first.Index}).Next(t.Context()); !client.IsLostPlace(err) {
		t.Errorf("error %v, want a lost place", err)
	}
}

// TestForeignIndexOnRegistry: a watcher whose node is gone hears that it lost its place, and does not wait in vain.
func TestForeignIndexOnRegistry(t *testing.T) {
	t.Parallel()
	for _, tags := range [][2]uint64{{1, 2}, {2, 1}} {
		first, second := startRegistry(t, tags[0]), startRegistry(t, tags[1])
		listed := must(t)(newClient(t, first).Set(t.Context(), "/a", "1", client.SetOptions{}))
		gone := newClient(t, "http://127.0.0.1:1", second)
		_, err := gone.Watch("/a", client.WatchOptions{AfterIndex: listed.Index}).Next(t.Context())
		if !client.IsLostPlace(err) {
			t.Errorf("tags %v: error %v, want a lost place", tags, err)
		}
	}
}

func TestRegisterOnServers(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, c *client.Client) {
		t.Helper()
		registered := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			result <- c.Register(ctx, "/frontends/fe1", "10.0.1.1", client.RegisterOptions{
				TTL: time.Second, OnRegistered: func() { close(registered) },
			})
		}()
		<-registered
		start := must(t)(c.Get(t.Context(), "/frontends/fe1", client.GetOptions{}))
		if start.Node.Value != "10.0.1.1" || start.Node.TTL != 1 {
			t.Errorf("entry %+v", start.Node)
		}
		// Three lives long, nothing but heartbeats happens: in an etcd they are sets, here they are not even news.
		quiet, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		w := c.Watch("/frontends", client.WatchOptions{AfterIndex: start.Index, Recursive: true})
		for {
			r, err := w.Next(quiet)
			if err != nil {
				break
			}
			if r.Action != client.ActionSet {
				t.Fatalf("the entry went: %s", r.Raw)
			}
		}
		cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
		if _, err := c.Get(t.Context(), "/frontends/fe1", client.GetOptions{}); !client.IsNotFound(err) {
			t.Errorf("after the end: %v, want not found", err)
		}
	})
}

// TestMembersOfARealServer: both name themselves, with URLs.
func TestMembersOfARealServer(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, c *client.Client) {
		t.Helper()
		m, err := c.Members(t.Context())
		if err != nil || len(m.Members) != 1 || m.Members[0].Name == "" || m.Endpoint != c.Endpoints()[0] {
			t.Errorf("members %+v, %v", m, err)
		}
	})
}
