package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/lbsync"
)

// loopConfig is an lbsync whose balancer takes every file, unless there is a file "fail" beside it.
const loopConfig = `endpoints: [ENDPOINT]
listen: LISTEN
name: lb1
services:
  frontends: {prefix: /frontends, port: 8080}
haproxy:
  - config: DIR/haproxy.cfg
    bind: "127.0.0.1:8000"
    services: [frontends]
    check: [sh, -c, "test ! -e DIR/fail", "{file}"]
    reload: ["true"]
`

// A loop is a node and an lbsync that follows it.
type loop struct {
	fleet
	dir, status string
}

func newLoop(t *testing.T) loop {
	t.Helper()
	l := loop{fleet: newFleet(t), dir: t.TempDir()}
	address := freeAddress(t)
	l.status = "http://" + address
	text := strings.NewReplacer("ENDPOINT", l.url, "LISTEN", address, "DIR", l.dir).Replace(loopConfig)
	path := filepath.Join(l.dir, "lbsync.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, testEnv([]string{"lbsync", "--config", path}))
	t.Cleanup(func() { p.stop(); p.wantCode(t, 0) })
	return l
}

// The whole way: an entry comes and goes, and what lbsync reports, tells and feeds follows.
func TestClosedLoop(t *testing.T) {
	t.Parallel()
	l := newLoop(t)
	set(t, l.Client, "/frontends/fe1", "10.0.1.1")
	set(t, l.Client, "/frontends/fe2", "10.0.1.2")
	for _, key := range []string{"/frontends/fe1", "/frontends/fe2"} {
		p := l.applied(key)
		p.want(t, "lb1 haproxy.cfg: serves it")
		p.wantCode(t, 0)
	}
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "explain", "10.0.1.2", "--output", "json", "--status", l.status}))
	var found []explanation
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || len(found) != 1 || found[0].Verdict != lbsync.VerdictIn {
		t.Errorf("%v: %+v", err, got)
	}
	remove(t, l.Client, "/frontends/fe2")
	p := l.applied("/frontends/fe2", "--gone")
	p.want(t, "lb1 haproxy.cfg: does not have it")
	p.wantCode(t, 0)
	if got := answer(t, "GET", l.status+"/feeds/traefik.json", ""); !strings.Contains(got, "10.0.1.1:8080") || strings.Contains(got, "10.0.1.2") {
		t.Error(got)
	}
}

// A value that the balancer has refused is not served, whatever lbsync has decided.
func TestClosedLoopOfARefusedChange(t *testing.T) {
	t.Parallel()
	l := newLoop(t)
	set(t, l.Client, "/frontends/fe1", "10.0.1.1")
	l.applied("/frontends/fe1").wantCode(t, 0)
	if err := os.WriteFile(filepath.Join(l.dir, "fail"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	set(t, l.Client, "/frontends/fe1", `{"addr":"10.0.1.1","weight":5}`)
	if got := l.notApplied("/frontends/fe1", "--timeout", "2s"); !strings.HasSuffix(got, "lb1 haproxy.cfg: serves an older value") {
		t.Error(got)
	}
	if err := os.Remove(filepath.Join(l.dir, "fail")); err != nil {
		t.Fatal(err)
	}
	l.applied("/frontends/fe1").wantCode(t, 0)
}
