package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"rollcall/lbsync/lbtest"
)

func TestServeWithLbsync(t *testing.T) {
	t.Parallel()
	d := newSupervisedDir(t, "") // The node itself.
	s := startProcess(t, []string{"PATH=" + os.Getenv("PATH")}, anyPort, "--lbsync="+d.file("lbsync.yaml"))
	answer(t, http.MethodPut, s.base+"/v2/keys/frontends/fe1", "value=10.0.1.1")
	d.has(t, "haproxy.cfg", "# one\n# 10.0.1.1:8080\n")
	wantMetrics(t, s.base, `rollcall_lbsync_config_reloads_total{result="success"} 0`, "rollcall_entries 1")

	d.write(t, "lbsync.yaml", "nonsense")
	s.hangup(t)
	wantMetrics(t, s.base, `rollcall_lbsync_config_reloads_total{result="failure"} 1`, "rollcall_lbsync_config_last_reload_success 0")
	answer(t, http.MethodPut, s.base+"/v2/keys/frontends/fe2", "value=10.0.1.2")
	d.has(t, "haproxy.cfg", "# 10.0.1.2:8080\n")

	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "8080", "9090", 1))
	s.hangup(t)
	d.has(t, "haproxy.cfg", "# 10.0.1.2:9090\n")
	if code := s.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func (s *serving) hangup(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

func TestServeRefusesABadLbsync(t *testing.T) {
	d := newSupervisedDir(t, "")
	d.write(t, "lbsync.yaml", "services: {}\n")
	got := runCommand(t.Context(), testEnv([]string{"serve", anyPort, "--lbsync", d.file("lbsync.yaml")}))
	if got.code != exitFailure || !strings.Contains(got.stderr, "lbsync.yaml:1:11: services needs at least one service") {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}

// What newNode has bound is free again when lbsync's port is taken.
func TestServeReleasesItsPorts(t *testing.T) {
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d := newSupervisedDir(t, "")
	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "127.0.0.1:0", taken.Addr().String(), 1))
	listen := freeAddress(t)
	for range 2 {
		_, err = newNode(t.Context(), nodeConfig{name: "dot", listen: listen, lbsync: d.file("lbsync.yaml")}, "v1", slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Errorf("got %v, want an error about %s", err, taken.Addr())
		}
	}
}

func TestOwnURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:0": "http://127.0.0.1:", "0.0.0.0:0": "http://127.0.0.1:", ":0": "http://127.0.0.1:", "127.0.0.2:0": "http://127.0.0.2:",
	} {
		n, err := newNode(t.Context(), nodeConfig{name: "dot", listen: listen}, "v1", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		n.close()
		if got := n.ownURL(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", listen, got)
		}
	}
}

// A node serves until lbsync, which may be in the middle of a reload, has ended.
func TestServeStopsAfterLbsync(t *testing.T) {
	d := newSupervisedDir(t, "")
	d.write(t, "reload", "touch "+d.file("begun")+"; until test -e "+d.file("go")+"; do sleep 0.01; done\n")
	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, `reload: ["true"]`, "reload: [sh, "+d.file("reload")+"]", 1))
	log, logger := lbtest.NewLog(t)
	n, err := newNode(t.Context(), nodeConfig{name: "dot", listen: "127.0.0.1:0", lbsync: d.file("lbsync.yaml")}, "v1", logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	answer(t, http.MethodPut, n.URL()+"/v2/keys/frontends/fe1", "value=10.0.1.1")
	d.has(t, "begun", "")
	cancel()
	if got := answer(t, http.MethodGet, n.URL()+"/v2/keys/frontends/fe1", ""); !strings.Contains(got, "10.0.1.1") {
		t.Errorf("the stopping node answers %s", got)
	}
	if log.Has("lbsync has stopped") {
		t.Error("lbsync has not finished its reload")
	}
	d.write(t, "go", "")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !log.Has("lbsync has stopped") || !log.Has("node has stopped") {
		t.Error("not all has stopped")
	}
}
