package difftest

import (
	"testing"
	"time"

	clientv2 "go.etcd.io/etcd/client/v2"
)

// clientV2 is a script's client of go.etcd.io/etcd/client/v2.
type clientV2 struct {
	clientv2.KeysAPI
	r *recorder
}

// do records one call.
func (c clientV2) do(what string, ttl time.Duration, call func() (*clientv2.Response, error)) *clientv2.Response {
	start := time.Now()
	res, err := call()
	c.r.note(what, start, int64(ttl/time.Second), clientV2Result(res), err)
	if res == nil || res.Node == nil {
		return &clientv2.Response{Node: &clientv2.Node{}}
	}
	return res
}

func clientV2Result(res *clientv2.Response) any {
	if res == nil {
		return nil
	}
	return result{res.Action, res.Node, res.PrevNode, res.Index}
}

// TestClientV2 calls all of the last official v2 client.
func TestClientV2(t *testing.T) {
	t.Parallel()
	compareClients(t, func(t *testing.T, r *recorder) {
		t.Helper()
		client, err := clientv2.New(clientv2.Config{Endpoints: []string{r.target.URL}, SelectionMode: clientv2.EndpointSelectionPrioritizeLeader})
		if err != nil {
			t.Error(err)
			return
		}
		clientV2Cluster(t, r, client)
		c := clientV2{clientv2.NewKeysAPI(client), r}
		clientV2Writes(t, c)
		clientV2Conditions(t, c)
		clientV2Watches(t, c)
	})
}

func clientV2Cluster(t *testing.T, r *recorder, client clientv2.Client) {
	t.Helper()
	ctx := t.Context()
	r.line("sync: %v, endpoint kept: %v", client.Sync(ctx), len(client.Endpoints()) == 1 && client.Endpoints()[0] == r.target.URL)
	versions, err := client.GetVersion(ctx)
	r.line("versions: %v %v", err, versions != nil && versions.Server != "" && versions.Cluster != "")
	api := clientv2.NewMembersAPI(client)
	members, err := api.List(ctx)
	r.line("members: %v, %d, has a client URL: %v", err, len(members), len(members) == 1 && len(members[0].ClientURLs) == 1)
	leader, err := api.Leader(ctx)
	r.line("leader: %v %v", err, leader != nil)
}

func clientV2Writes(t *testing.T, c clientV2) {
	t.Helper()
	ctx := t.Context()
	const ttl = 100 * time.Second
	c.do("Set", 0, func() (*clientv2.Response, error) { return c.Set(ctx, "/a", "1", nil) })
	c.do("Set with TTL", ttl, func() (*clientv2.Response, error) { return c.Set(ctx, "/a", "2", &clientv2.SetOptions{TTL: ttl}) })
	c.do("Get", 0, func() (*clientv2.Response, error) { return c.Get(ctx, "/a", nil) })
	c.do("Refresh", ttl/2, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/a", "", &clientv2.SetOptions{TTL: ttl / 2, Refresh: true, PrevExist: clientv2.PrevExist})
	})
	c.do("Refresh with a value", 0, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/a", "x", &clientv2.SetOptions{TTL: ttl / 2, Refresh: true})
	})
	c.do("NoValueOnSuccess", 0, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/a", "3", &clientv2.SetOptions{NoValueOnSuccess: true})
	})
	c.do("Set a directory", 0, func() (*clientv2.Response, error) { return c.Set(ctx, "/d", "", &clientv2.SetOptions{Dir: true}) })
	c.do("Update a directory", ttl, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/d", "", &clientv2.SetOptions{Dir: true, PrevExist: clientv2.PrevExist, TTL: ttl})
	})
	c.do("Create", 0, func() (*clientv2.Response, error) { return c.Create(ctx, "/d/x", "1") })
	c.do("Create again", 0, func() (*clientv2.Response, error) { return c.Create(ctx, "/d/x", "1") })
	c.do("CreateInOrder", 0, func() (*clientv2.Response, error) { return c.CreateInOrder(ctx, "/q", "1", nil) })
	c.do("CreateInOrder", ttl, func() (*clientv2.Response, error) {
		return c.CreateInOrder(ctx, "/q", "2", &clientv2.CreateInOrderOptions{TTL: ttl})
	})
	c.do("Update", 0, func() (*clientv2.Response, error) { return c.Update(ctx, "/d/x", "2") })
	c.do("Update of none", 0, func() (*clientv2.Response, error) { return c.Update(ctx, "/none", "2") })
	c.do("Get all", 0, func() (*clientv2.Response, error) {
		return c.Get(ctx, "/", &clientv2.GetOptions{Recursive: true, Sort: true, Quorum: true})
	})
}

func clientV2Conditions(t *testing.T, c clientV2) {
	t.Helper()
	ctx := t.Context()
	set := c.do("Set", 0, func() (*clientv2.Response, error) { return c.Set(ctx, "/c", "one", nil) })
	c.do("PrevValue fails", 0, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/c", "x", &clientv2.SetOptions{PrevValue: "two"})
	})
	c.do("PrevIndex", 0, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/c", "two", &clientv2.SetOptions{PrevIndex: set.Node.ModifiedIndex, PrevExist: clientv2.PrevExist})
	})
	c.do("PrevNoExist", 0, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/c", "x", &clientv2.SetOptions{PrevExist: clientv2.PrevNoExist})
	})
	c.do("Delete PrevValue fails", 0, func() (*clientv2.Response, error) {
		return c.Delete(ctx, "/c", &clientv2.DeleteOptions{PrevValue: "one"})
	})
	c.do("Delete PrevValue", 0, func() (*clientv2.Response, error) {
		return c.Delete(ctx, "/c", &clientv2.DeleteOptions{PrevValue: "two"})
	})
	c.do("Delete a directory", 0, func() (*clientv2.Response, error) { return c.Delete(ctx, "/d", nil) })
	c.do("Delete Dir", 0, func() (*clientv2.Response, error) { return c.Delete(ctx, "/d", &clientv2.DeleteOptions{Dir: true}) })
	c.do("Delete Recursive", 0, func() (*clientv2.Response, error) {
		return c.Delete(ctx, "/d", &clientv2.DeleteOptions{Recursive: true})
	})
	c.do("Delete none", 0, func() (*clientv2.Response, error) { return c.Delete(ctx, "/d/x", nil) })
}

func clientV2Watches(t *testing.T, c clientV2) {
	t.Helper()
	ctx := t.Context()
	next := func(what string, w clientv2.Watcher) {
		start := time.Now()
		res, err := w.Next(ctx)
		if res != nil {
			res.Index = 0 // That of the watch's start: a matter of timing.
		}
		c.r.note(what, start, 0, clientV2Result(res), err)
	}
	first := c.do("Set", 0, func() (*clientv2.Response, error) { return c.Set(ctx, "/w/x", "1", nil) })
	c.do("Set", 1*time.Second, func() (*clientv2.Response, error) {
		return c.Set(ctx, "/w/y", "2", &clientv2.SetOptions{TTL: time.Second})
	})
	c.do("Delete", 0, func() (*clientv2.Response, error) { return c.Delete(ctx, "/w/x", nil) })
	w := c.Watcher("/w", &clientv2.WatcherOptions{AfterIndex: first.Node.ModifiedIndex - 1, Recursive: true})
	next("the first", w)
	next("the second", w)
	next("the deletion", w)
	next("the expiry", w)
	live := c.Watcher("/w/z", nil)
	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		next("the live one", live)
	}()
	waitForWatchers(t, c.r.target, 1)
	put(t, c.r.target, "/w/z", "value=live")
	<-arrived
}
