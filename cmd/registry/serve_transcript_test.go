package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// What differs from run to run in an answer.
var (
	someIndex      = regexp.MustCompile(`Index":[1-9][0-9]+`)
	someExpiration = regexp.MustCompile(`"expiration":"20[0-9-]+T[0-9:.]+Z"`)
)

// show makes an answer readable: its status and its body, with N for an index and T for
// an expiration.
func show(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	body := someIndex.ReplaceAllString(strings.TrimSpace(string(text)), `Index":N`)
	return fmt.Sprintf("%d %s", resp.StatusCode, someExpiration.ReplaceAllString(body, `"expiration":"T"`))
}

// lease sets a key with a lease and returns what the answer says of it.
func lease(t *testing.T, url, form string) (ttl int, end time.Time) {
	t.Helper()
	var got struct {
		Node struct {
			TTL        int       `json:"ttl"`
			Expiration time.Time `json:"expiration"`
		} `json:"node"`
	}
	if err := json.Unmarshal([]byte(answer(t, "PUT", url, form)), &got); err != nil {
		t.Fatal(err)
	}
	return got.Node.TTL, got.Node.Expiration
}

// A user's first steps, as curl sends them: two frontends register, one gets a lease,
// which heartbeats keep and which ends without them.
func TestTranscript(t *testing.T) {
	t.Parallel()
	s := startProcess(t, nil, anyPort, "--name", "dot", "--data-dir", filepath.Join(t.TempDir(), "dot"))
	frontends := s.base + "/v2/keys/frontends/"
	const (
		fe1    = `{"key":"/frontends/fe1","value":"10.0.1.1","modifiedIndex":N,"createdIndex":N}`
		fe2    = `{"key":"/frontends/fe2","value":"10.0.1.2","modifiedIndex":N,"createdIndex":N}`
		leased = `{"key":"/frontends/fe2","value":"10.0.1.2","expiration":"T","ttl":2,"modifiedIndex":N,"createdIndex":N}`
		list   = `200 {"action":"get","node":{"key":"/frontends","dir":true,"nodes":[`
		end    = `],"modifiedIndex":N,"createdIndex":N}}`
	)
	for _, step := range []struct{ method, name, form, want string }{
		{"PUT", "fe1", "value=10.0.1.1", `201 {"action":"set","node":` + fe1 + `}`},
		{"PUT", "fe2", "value=10.0.1.2", `201 {"action":"set","node":` + fe2 + `}`},
		{"GET", "", "", list + fe1 + `,` + fe2 + end},
		{"PUT", "fe2", "value=10.0.1.2&ttl=2", `200 {"action":"set","node":` + leased + `,"prevNode":` + fe2 + `}`},
	} {
		if got := show(t, request(t, step.method, frontends+step.name, step.form)); got != step.want {
			t.Errorf("%s %s %s\n got %s\nwant %s", step.method, step.name, step.form, got, step.want)
		}
	}

	last := heartbeat(t, frontends+"fe2", "value=10.0.1.2&ttl=2")
	if got := answer(t, "GET", frontends, ""); !strings.Contains(got, "fe2") {
		t.Errorf("heartbeats did not keep fe2: %s", got)
	}
	var got string
	lbtest.Eventually(t, 20*time.Second, "fe2 is gone", func() bool {
		got = show(t, request(t, "GET", frontends, ""))
		return !strings.Contains(got, "fe2")
	})
	if now := time.Now(); now.Before(last) || got != list+fe1+end {
		t.Errorf("at %v the listing is %s; fe2's lease ended at %v", now, got, last)
	}
}

// heartbeat renews a lease of 2 s for a second longer than it would live without, and
// returns when the last one ends.
func heartbeat(t *testing.T, url, form string) (last time.Time) {
	t.Helper()
	_, first := lease(t, url, form)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for last = first; time.Now().Before(first.Add(time.Second)); <-tick.C {
		ttl, end := lease(t, url, form)
		if ttl != 2 || !end.After(last) {
			t.Fatalf("a heartbeat has a ttl of %d s and ends at %v after %v", ttl, end, last)
		}
		last = end
	}
	return last
}
