package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// supervisedYAML has lbsync keep a file from a template, for a balancer that takes everything.
const supervisedYAML = `ENDPOINTS
listen: 127.0.0.1:0
report: none
services:
  frontends: {prefix: /frontends, port: 8080}
haproxy:
  - config: DIR/haproxy.cfg
    template: DIR/haproxy.tmpl
    services: [frontends]
    check: ["true", "{file}"]
    reload: ["true"]
`

// A lbsyncDir holds lbsync.yaml, the template and what becomes of them.
type lbsyncDir struct {
	path string
	yaml string
}

func newSupervisedDir(t *testing.T, endpoints string) *lbsyncDir {
	t.Helper()
	d := &lbsyncDir{path: t.TempDir()}
	d.yaml = strings.NewReplacer("ENDPOINTS", endpoints, "DIR", d.path).Replace(supervisedYAML)
	d.write(t, "lbsync.yaml", d.yaml)
	d.write(t, "haproxy.tmpl", "# one\n{{range .Pools}}{{range .Servers}}# {{.Address}}\n{{end}}{{end}}")
	return d
}

func endpoints(url string) string { return "endpoints: [" + url + "]" }

func (d *lbsyncDir) file(name string) string { return filepath.Join(d.path, name) }

func (d *lbsyncDir) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(d.file(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *lbsyncDir) has(t *testing.T, name, text string) {
	t.Helper()
	lbtest.Eventually(t, 10*time.Second, name+" has "+text, func() bool {
		got, err := os.ReadFile(d.file(name))
		return err == nil && strings.Contains(string(got), text)
	})
}

// runSupervisor runs one until the test ends. Each call of the function it returns is one SIGHUP.
func runSupervisor(t *testing.T, d *lbsyncDir) (s *supervisor, log *lbtest.Log, reload func()) {
	t.Helper()
	log, logger := lbtest.NewLog(t)
	s, err := newSupervisor(t.Context(), supervisorOptions{path: d.file("lbsync.yaml"), version: "v1", log: logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	signals, done := make(chan os.Signal), make(chan error, 1)
	go func() { done <- s.Run(ctx, signals) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, log, func() { signals <- os.Interrupt }
}

func TestSupervisorReloads(t *testing.T) {
	d := newSupervisedDir(t, endpoints(startNode(t, http.StatusOK, listingOfTwo)))
	s, log, reload := runSupervisor(t, d)
	d.has(t, "haproxy.cfg", "# one\n# 10.0.1.1:8080\n")
	first, url := s.Syncer(), "http://"+s.addr()

	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "port: 8080", "port: 0", 1))
	reload()
	wantMetrics(t, url, `rollcall_lbsync_config_reloads_total{result="failure"} 1`, "rollcall_lbsync_config_last_reload_success 0")
	if !log.Has("configuration not reloaded", "lbsync.yaml:5:41: port must be") {
		t.Error("the log does not name the place")
	}

	d.write(t, "lbsync.yaml", d.yaml)
	d.write(t, "haproxy.tmpl", "{{.Nothing")
	reload()
	wantMetrics(t, url, `rollcall_lbsync_config_reloads_total{result="failure"} 2`, "rollcall_lbsync_config_last_reload_success 0")
	if s.Syncer() != first {
		t.Error("a bad configuration is in use")
	}
	d.has(t, "haproxy.cfg", "# one\n")

	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "listen: 127.0.0.1:0", "listen: 127.0.0.1:1", 1))
	d.write(t, "haproxy.tmpl", "# two\n{{range .Pools}}{{range .Servers}}# {{.Address}}\n{{end}}{{end}}")
	reload()
	d.has(t, "haproxy.cfg", "# two\n# 10.0.1.1:8080\n# 10.0.1.2:81\n")
	wantMetrics(t, url, `rollcall_lbsync_config_reloads_total{result="success"} 1`, "rollcall_lbsync_config_last_reload_success 1",
		`rollcall_lbsync_pool_servers{service="frontends",state="up"} 2`)
	if !log.Has("a new listen needs a restart", "127.0.0.1:1") {
		t.Error("the log is silent about the new listen")
	}
}

// wantMetrics waits until lines are exposed.
func wantMetrics(t *testing.T, url string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		lbtest.Eventually(t, 10*time.Second, line, func() bool {
			return strings.Contains(answer(t, http.MethodGet, url+"/metrics", ""), line+"\n")
		})
	}
}

// A template that is bad at the start is replaced by the last good one; without one lbsync does not start.
func TestSupervisorStartsWithTheLastGoodTemplate(t *testing.T) {
	d := newSupervisedDir(t, endpoints(startNode(t, http.StatusOK, listingOfTwo)))
	d.write(t, "lbsync.yaml", d.yaml+"state_dir: "+d.file("state")+"\n")
	t.Run("good", func(t *testing.T) {
		runSupervisor(t, d)
		d.has(t, "haproxy.cfg", "# one\n# 10.0.1.1:8080\n")
	})
	d.write(t, "haproxy.tmpl", "{{.Nothing")
	if err := os.Remove(d.file("haproxy.cfg")); err != nil {
		t.Fatal(err)
	}
	s, log, reload := runSupervisor(t, d)
	d.has(t, "haproxy.cfg", "# one\n# 10.0.1.1:8080\n")
	url := "http://" + s.addr()
	wantMetrics(t, url, "rollcall_lbsync_config_last_reload_success 0", `rollcall_lbsync_config_reloads_total{result="failure"} 0`)
	if !log.Has("template refused, the last good one is used", "haproxy.tmpl") {
		t.Error("the log is silent")
	}
	reload() // A reload has the former configuration to go back to, and says so.
	wantMetrics(t, url, `rollcall_lbsync_config_reloads_total{result="failure"} 1`)
	d.write(t, "haproxy.tmpl", "# two\n{{range .Pools}}{{range .Servers}}# {{.Address}}\n{{end}}{{end}}")
	reload()
	d.has(t, "haproxy.cfg", "# two\n# 10.0.1.1:8080\n")
	wantMetrics(t, url, "rollcall_lbsync_config_last_reload_success 1")
}

func TestSupervisorNeedsAGoodStart(t *testing.T) {
	for name, spoil := range map[string]func(*lbsyncDir){
		"template": func(d *lbsyncDir) { d.write(t, "haproxy.tmpl", "{{") },
		"yaml":     func(d *lbsyncDir) { d.write(t, "lbsync.yaml", "service: {}") },
		"no file":  func(d *lbsyncDir) { _ = os.Remove(d.file("lbsync.yaml")) },
	} {
		d := newSupervisedDir(t, endpoints("http://127.0.0.1:1"))
		spoil(d)
		_, err := newSupervisor(t.Context(), supervisorOptions{path: d.file("lbsync.yaml"), log: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A process of its own lives through SIGHUPs and obeys them.
func TestLbsyncProcessReloads(t *testing.T) {
	d := newSupervisedDir(t, endpoints(startNode(t, http.StatusOK, listingOfTwo)))
	cmd := exec.CommandContext(t.Context(), "registry", "lbsync", "--config", d.file("lbsync.yaml")) // TestMain puts it in the path
	cmd.SysProcAttr = childAttributes()
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.has(t, "haproxy.cfg", "# 10.0.1.1:8080\n")
	for port := range 3 {
		d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "8080", "808"+strconv.Itoa(port+1), 1))
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		d.has(t, "haproxy.cfg", "# 10.0.1.1:808"+strconv.Itoa(port+1)+"\n")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
