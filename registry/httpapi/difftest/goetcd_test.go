package difftest

import (
	"errors"
	"testing"
	"time"

	goetcd "github.com/coreos/go-etcd/etcd"
)

// goEtcd is a script's client of go-etcd v2.0.0.
type goEtcd struct {
	*goetcd.Client
	r *recorder
}

func newGoEtcd(r *recorder) goEtcd { return goEtcd{goetcd.NewClient([]string{r.target.URL}), r} }

// do records one call.
func (c goEtcd) do(what string, ttl int64, call func() (*goetcd.Response, error)) *goetcd.Response {
	start := time.Now()
	res, err := call()
	c.r.note(what, start, ttl, goEtcdResult(res), err)
	if res == nil || res.Node == nil {
		return &goetcd.Response{Node: &goetcd.Node{}}
	}
	return res
}

func goEtcdResult(res *goetcd.Response) any {
	if res == nil {
		return nil
	}
	return result{res.Action, res.Node, res.PrevNode, res.EtcdIndex}
}

// TestGoEtcdWatch is the program that Rollcall was asked to serve: it lists frontends/, sets /creds and is told of its change.
func TestGoEtcdWatch(t *testing.T) {
	t.Parallel()
	compareClients(t, func(t *testing.T, r *recorder) {
		t.Helper()
		c := newGoEtcd(r)
		c.do("fe1", 0, func() (*goetcd.Response, error) { return c.Set("/frontends/fe1", "10.0.1.1", 0) })
		c.do("fe2", 100, func() (*goetcd.Response, error) { return c.Set("/frontends/fe2", "10.0.1.2", 100) })
		c.do("list", 0, func() (*goetcd.Response, error) { return c.Get("frontends/", true, false) })
		c.do("creds", 0, func() (*goetcd.Response, error) { return c.Set("/creds", "a", 0) })

		changes := make(chan *goetcd.Response)
		go func() { _, _ = c.Watch("/creds", 0, false, changes, nil) }()
		waitForWatchers(t, r.target, 1)
		for _, value := range []string{"b", "c", "d"} {
			c.do("set", 0, func() (*goetcd.Response, error) { return newGoEtcd(r).Set("/creds", value, 0) })
			select {
			case change := <-changes:
				change.EtcdIndex = 0 // That of the watch's start, which for a repeated watch is a matter of timing.
				r.note("watch", time.Now(), 0, goEtcdResult(change), nil)
			case <-time.After(time.Second):
				t.Errorf("%v: /creds=%s was not delivered at once", r.target.Kind, value)
			}
		}
	})
}

// TestGoEtcd calls everything else that go-etcd has.
func TestGoEtcd(t *testing.T) {
	t.Parallel()
	compareClients(t, func(t *testing.T, r *recorder) {
		t.Helper()
		c := newGoEtcd(r)
		r.line("sync: %v, %d machines", c.SyncCluster(), len(c.GetCluster()))
		goEtcdDirectories(c)
		goEtcdFiles(c)
		goEtcdWatches(t, c)
	})
}

func goEtcdDirectories(c goEtcd) {
	c.do("SetDir", 0, func() (*goetcd.Response, error) { return c.SetDir("/dir", 0) })
	c.do("SetDir again", 0, func() (*goetcd.Response, error) { return c.SetDir("/dir", 0) })
	c.do("CreateDir", 100, func() (*goetcd.Response, error) { return c.CreateDir("/made", 100) })
	c.do("CreateDir again", 0, func() (*goetcd.Response, error) { return c.CreateDir("/made", 100) })
	c.do("UpdateDir", 200, func() (*goetcd.Response, error) { return c.UpdateDir("/made", 200) })
	c.do("UpdateDir of none", 0, func() (*goetcd.Response, error) { return c.UpdateDir("/none", 200) })
	c.do("AddChild", 0, func() (*goetcd.Response, error) { return c.AddChild("/q", "1", 0) })
	c.do("AddChild", 100, func() (*goetcd.Response, error) { return c.AddChild("/q", "2", 100) })
	c.do("AddChildDir", 0, func() (*goetcd.Response, error) { return c.AddChildDir("/q", 0) })
	c.do("CreateInOrder", 0, func() (*goetcd.Response, error) { return c.CreateInOrder("/q", "3", 0) })
	c.do("Get sorted", 0, func() (*goetcd.Response, error) { return c.Get("/q", true, true) })
	c.do("DeleteDir", 0, func() (*goetcd.Response, error) { return c.DeleteDir("/q") })
	c.do("Delete", 0, func() (*goetcd.Response, error) { return c.Delete("/q", false) })
	c.do("Delete recursive", 0, func() (*goetcd.Response, error) { return c.Delete("/q", true) })
	c.do("DeleteDir empty", 0, func() (*goetcd.Response, error) { return c.DeleteDir("/dir") })
	c.do("Get root", 0, func() (*goetcd.Response, error) { return c.Get("/", true, true) })
}

func goEtcdFiles(c goEtcd) {
	c.do("Set with a space", 0, func() (*goetcd.Response, error) { return c.Set("/a b/c+d", "x y&z=1", 0) })
	c.do("Get with a space", 0, func() (*goetcd.Response, error) { return c.Get("/a b/c+d", false, false) })
	c.do("Create", 100, func() (*goetcd.Response, error) { return c.Create("/f", "1", 100) })
	c.do("Create again", 0, func() (*goetcd.Response, error) { return c.Create("/f", "1", 100) })
	c.do("Update", 0, func() (*goetcd.Response, error) { return c.Update("/f", "2", 0) })
	c.do("Update of none", 0, func() (*goetcd.Response, error) { return c.Update("/none", "2", 0) })
	swapped := c.do("CompareAndSwap", 0, func() (*goetcd.Response, error) { return c.CompareAndSwap("/f", "3", 0, "2", 0) })
	c.do("CompareAndSwap fails", 0, func() (*goetcd.Response, error) { return c.CompareAndSwap("/f", "4", 0, "2", 1) })
	c.do("CompareAndSwap by index", 50, func() (*goetcd.Response, error) {
		return c.CompareAndSwap("/f", "4", 50, "", swapped.Node.ModifiedIndex)
	})
	c.do("CompareAndDelete fails", 0, func() (*goetcd.Response, error) { return c.CompareAndDelete("/f", "nine", 0) })
	c.do("CompareAndDelete", 0, func() (*goetcd.Response, error) { return c.CompareAndDelete("/f", "4", 0) })
	c.do("Set empty", 0, func() (*goetcd.Response, error) { return c.Set("/empty", "", 0) })
	c.do("Get none", 0, func() (*goetcd.Response, error) { return c.Get("/none/x", false, false) })
}

func goEtcdWatches(t *testing.T, c goEtcd) {
	t.Helper()
	set := c.do("Set", 1, func() (*goetcd.Response, error) { return c.Set("/w/x", "1", 1) })
	next := set.Node.ModifiedIndex + 1
	for _, what := range []string{"the past", "the expiry"} {
		event, err := c.Watch("/w", next-1, true, nil, nil)
		if event != nil {
			event.EtcdIndex = 0 // That of the watch's start: a matter of timing.
			next = event.Node.ModifiedIndex + 2
		}
		c.r.note("watch "+what, time.Now(), 0, goEtcdResult(event), err)
	}
	stop := make(chan bool)
	result := make(chan error)
	go func() {
		_, err := c.Watch("/w", 0, true, nil, stop)
		result <- err
	}()
	waitForWatchers(t, c.r.target, 1)
	close(stop)
	c.r.line("watch stopped: %v", errors.Is(<-result, goetcd.ErrWatchStoppedByUser))
}
