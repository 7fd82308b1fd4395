package haproxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
	"rollcall/registry/client"
)

// startEtcd starts a real etcd with the v2 API and returns its URL.
func startEtcd(t *testing.T) string {
	t.Helper()
	clients, peers := "http://127.0.0.1:"+lbtest.FreePort(t), "http://127.0.0.1:"+lbtest.FreePort(t)
	lbtest.Start(t, lbtest.Program(t, "etcd"), "--enable-v2", "--data-dir", t.TempDir(),
		"--listen-client-urls", clients, "--advertise-client-urls", clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers)
	lbtest.Eventually(t, 20*time.Second, "etcd takes writes", func() bool {
		return put(t.Context(), clients, "/started", url.Values{"value": {"yes"}}) == nil
	})
	return clients
}

func put(ctx context.Context, endpoint, key string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, endpoint+"/v2/keys"+key, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // The status is enough.
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body) // Only for the message.
		return fmt.Errorf("put %s: %s: %s", key, resp.Status, text)
	}
	return nil
}

const ttl = 2

// heartbeat renews an entry until the returned function is called.
func heartbeat(t *testing.T, endpoint, key, value string) (die func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(ttl * time.Second / 4)
		defer tick.Stop()
		for ctx.Err() == nil {
			err := put(ctx, endpoint, key, url.Values{"value": {value}, "ttl": {strconv.Itoa(ttl)}})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	die = func() { cancel(); wg.Wait() }
	t.Cleanup(die)
	return die
}

// A frontend that dies without a word stops getting traffic within its TTL plus one second. etcd itself looks for what
// has expired twice a second, which adds half a second here. One of three rounds has to be in time: a machine that is
// busy with other tests says nothing about lbsync.
func TestDeadFrontendIsOutWithinItsTTLPlusOneSecond(t *testing.T) {
	const limit = ttl*time.Second + time.Second + 500*time.Millisecond
	r := newRig(t)
	etcd := startEtcd(t)
	// The first endpoint is dead: the source goes on to the next.
	source, err := lbsync.NewRegistrySource([]string{"http://127.0.0.1:" + lbtest.FreePort(t), etcd}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.source = source
	r.start(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	heartbeat(t, etcd, prefix+"/fe1", one.Addr)
	var took []time.Duration
	for range 3 {
		die := heartbeat(t, etcd, prefix+"/fe2", two.Addr)
		lbtest.Eventually(t, 20*time.Second, "both get traffic", func() bool { return r.only(t, "one", "two") })
		die() // The process itself goes on to answer, so that only the lease can end it.
		died := time.Now()
		lbtest.Eventually(t, 20*time.Second, "two is out", func() bool { return r.only(t, "one") })
		took = append(took, two.LastRequest().Sub(died))
		if took[len(took)-1] <= limit {
			return
		}
	}
	t.Errorf("after its death, two got traffic for %v, and should for %v at most", took, limit)
}
