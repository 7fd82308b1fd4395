package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
)

// lbsyncConfig is a configuration of one HAProxy file, which nothing loads.
const lbsyncConfig = `endpoints: [ENDPOINT]
services:
  frontends: {prefix: /frontends, port: 8080}
haproxy:
  - config: DIR/haproxy.cfg
    bind: "127.0.0.1:8000"
    services: [frontends]
    check: [haproxy, -c, -f, "{file}"]
    reload: ["true"]
`

// startNode returns the URL of a registry that answers every request with body. Nothing ever happens in it: who waits
// for a change waits for ever.
func startNode(t *testing.T, status int, body string) string {
	t.Helper()
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("wait") == "true" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Etcd-Index", "7")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(node.Close)
	return node.URL
}

// newLbsyncDir returns a directory with lbsync.yaml for such a registry.
func newLbsyncDir(t *testing.T, status int, body string) string {
	t.Helper()
	dir := t.TempDir()
	text := strings.NewReplacer("ENDPOINT", startNode(t, status, body), "DIR", dir).Replace(lbsyncConfig)
	if err := os.WriteFile(filepath.Join(dir, "lbsync.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const listingOfTwo = `{"action":"get","node":{"key":"/frontends","dir":true,"nodes":[
	{"key":"/frontends/fe1","value":"10.0.1.1","modifiedIndex":5,"createdIndex":5},
	{"key":"/frontends/zone-a","dir":true,"nodes":[{"key":"/frontends/zone-a/fe2","value":"10.0.1.2:81","modifiedIndex":6,"createdIndex":6}]},
	{"key":"/frontends/fe3","value":"10.0.1.3\n server x","modifiedIndex":7,"createdIndex":7}]}}`

func TestLbsyncOnce(t *testing.T) {
	dir := newLbsyncDir(t, http.StatusOK, listingOfTwo)
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/usr/local/sbin")
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "--once"}, "ROLLCALL_CONFIG="+filepath.Join(dir, "lbsync.yaml")))
	if got.code != 0 {
		t.Fatalf("exit code %d: %s", got.code, got.stderr)
	}
	text, err := os.ReadFile(filepath.Join(dir, "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bind 127.0.0.1:8000\n", "server s_10.0.1.1_8080 10.0.1.1:8080 ", "server s_10.0.1.2_81 10.0.1.2:81 "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "server x") || !strings.Contains(got.stderr, "bad_syntax") {
		t.Errorf("the bad entry: %s\n%s", text, got.stderr)
	}
}

func TestLbsyncOnceThatFails(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		code   int
		stderr string
	}{
		"no servers":    {http.StatusNotFound, `{"errorCode":100,"message":"Key not found","cause":"/frontends","index":7}`, exitFailure, "no servers in the registry"},
		"not ready":     {http.StatusServiceUnavailable, `{"errorCode":300,"message":"x","index":0}`, exitUnavailable, "no registry node answers"},
		"no directory":  {http.StatusOK, `{"action":"get","node":{"key":"/frontends","value":"x"}}`, exitFailure, "not a directory"},
		"not an answer": {http.StatusOK, `<html>`, exitUnavailable, "not an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newLbsyncDir(t, tt.status, tt.body)
			got := runCommand(t.Context(), testEnv([]string{"lbsync", "--once", "--config", filepath.Join(dir, "lbsync.yaml")}))
			if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) {
				t.Errorf("exit code %d: %s", got.code, got.stderr)
			}
			if _, err := os.Stat(filepath.Join(dir, "haproxy.cfg")); !os.IsNotExist(err) {
				t.Errorf("a file was written: %v", err)
			}
		})
	}
}

func TestLbsyncConfigErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lbsync.yaml")
	if err := os.WriteFile(path, []byte("endpoints: [http://127.0.0.1:1]\nservice: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "--config", path}))
	if want := path + `:2:1: unknown field "service"`; got.code != exitFailure || !strings.Contains(got.stderr, want) {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
	if got := runCommand(t.Context(), testEnv([]string{"lbsync"})); got.code != exitFailure || !strings.Contains(got.stderr, "--config is required") {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}

func TestLbsyncStops(t *testing.T) {
	dir := newLbsyncDir(t, http.StatusNotFound, `{"errorCode":100,"message":"Key not found","cause":"/frontends","index":7}`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	got := runCommand(ctx, testEnv([]string{"lbsync", "--config", filepath.Join(dir, "lbsync.yaml")}))
	if took := time.Since(began); got.code != 0 || took > 5*time.Second {
		t.Errorf("exit code %d after %v: %s", got.code, took, got.stderr)
	}
}

func TestLbsyncProbes(t *testing.T) {
	ok := lbsync.TargetStats{Config: "a.cfg", InSync: true, LastSuccess: time.Unix(1, 0)}
	for name, tt := range map[string]struct {
		stats lbsync.Stats
		code  int
		body  string
	}{
		"ready":         {lbsync.Stats{Registry: lbsync.RegistryStats{Reachable: true}, Targets: []lbsync.TargetStats{ok}}, 200, "[+]a.cfg ok\n[+]registry ok\nok\n"},
		"registry away": {lbsync.Stats{Targets: []lbsync.TargetStats{ok}}, 200, "[+]a.cfg ok\n[?]registry does not answer; the balancers keep what they have\nok\n"},
		"not yet":       {lbsync.Stats{Registry: lbsync.RegistryStats{Reachable: true}, Targets: []lbsync.TargetStats{{Config: "a.cfg"}}}, 503, "[-]a.cfg failed: not applied yet\n[+]registry ok\n"},
		"no more":       {lbsync.Stats{Registry: lbsync.RegistryStats{Reachable: true}, Targets: []lbsync.TargetStats{{Config: "a.cfg", LastSuccess: time.Unix(61, 0)}}}, 503, "[-]a.cfg failed: not in sync since 00:01:01Z\n[+]registry ok\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := lbsyncHandler(fakeState{stats: tt.stats}, "v1")
			for path, want := range map[string]int{"/readyz?verbose": tt.code, "/livez": 200, "/metrics": 200, "/other": 404} {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
				if w.Code != want || strings.HasPrefix(path, "/readyz") && w.Body.String() != tt.body {
					t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
				}
			}
		})
	}
}
