package lbsync_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/haproxy"
	"rollcall/lbsync/lbtest"
	"rollcall/lbsync/nginx"
	"rollcall/registry"
	"rollcall/registry/client"
	"rollcall/registry/httpapi"
)

// prompt are delays for tests with real balancers and a real registry.
var prompt = lbsync.Timing{
	Quiet: 20 * time.Millisecond, MaxDelay: 200 * time.Millisecond, Relist: 3 * time.Second,
	Drift: 300 * time.Millisecond, RetryMin: 50 * time.Millisecond, RetryMax: 300 * time.Millisecond,
}

// before is what HAProxy runs before lbsync comes.
const before = `defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend before
    bind 127.0.0.1:PORT
    http-request return status 503
`

// A site is a registry with its HTTP API, a HAProxy and, where a test asks for it, an nginx, all real, and a Syncer.
// Every runtime command goes by a relay, and every file that a balancer is asked to check is kept.
type site struct {
	dir      string
	registry *lbtest.SickRegistry
	backends map[string]*lbtest.Backend
	service  lbsync.Service
	timing   lbsync.Timing
	targets  []lbsync.Target
	relay    *lbtest.Relay // of the worker's socket
	master   *lbtest.Relay
	log      *lbtest.Log
	syncer   *lbsync.Syncer

	haproxyPort, nginxPort string
	nginxConf, nginxMode   string
	nginx                  lbtest.Daemon
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		dir: t.TempDir(), registry: lbtest.NewSickRegistry(t, newRegistry(t)), backends: map[string]*lbtest.Backend{},
		service: lbsync.Service{Prefix: "/frontends"}, timing: prompt, haproxyPort: lbtest.FreePort(t),
	}
	for _, dir := range []string{"h", "kept-h", "n", "n/conf.d", "kept-n"} {
		if err := os.Mkdir(s.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one", "two", "three"} {
		s.backends[name] = lbtest.NewBackend(t, name, "127.0.0.2")
	}
	s.startHAProxy(t)
	return s
}

// newRegistry returns the handler of an empty node.
func newRegistry(t *testing.T) http.Handler {
	t.Helper()
	return newRegistryAt(t, 0)
}

// newRegistryAt has indexes above the given one.
func newRegistryAt(t *testing.T, after uint64) http.Handler {
	t.Helper()
	store := registry.New(registry.Options{AfterIndex: after})
	done := make(chan struct{})
	go func() { defer close(done); store.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	return httpapi.New(store, httpapi.Options{Name: "site"})
}

func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startHAProxy starts one and makes its target. HAProxy's own socket, which the template names, is not the one that lbsync
// knows.
func (s *site) startHAProxy(t *testing.T) {
	t.Helper()
	template, err := os.ReadFile("haproxy/haproxy.cfg.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "haproxy.tmpl", strings.ReplaceAll(string(template), "{{.RuntimeSocket}}", s.path("h/own.sock")))
	s.write(t, "h/haproxy.cfg", strings.ReplaceAll(before, "PORT", s.haproxyPort))
	s.relay = lbtest.NewRelay(t, s.path("h/relay.sock"), s.path("h/own.sock"))
	s.master = lbtest.NewRelay(t, s.path("h/mrelay.sock"), s.path("h/master.sock"))
	program := lbtest.Program(t, "haproxy")
	lbtest.Start(t, program, "-W", "-S", s.path("h/master.sock"), "-f", s.path("h/haproxy.cfg"))
	target, err := haproxy.NewTarget(lbsync.HAProxy{
		Config: s.path("h/haproxy.cfg"), Bind: "127.0.0.1:" + s.haproxyPort, Services: []string{"frontends"},
		Template: s.path("haproxy.tmpl"), RuntimeSocket: s.path("h/relay.sock"), MasterSocket: s.path("h/mrelay.sock"),
		Check: keeping(s.path("kept-h"), "{file}", program, "-c", "-f", "{file}"), Pace: unpaced(),
	}, haproxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.targets = append(s.targets, target)
	s.answers(t, s.haproxyPort, "503")
}

// addNginx starts one and makes its target. The file nginxMode says how its check behaves; empty is well.
func (s *site) addNginx(t *testing.T) {
	t.Helper()
	s.nginxPort, s.nginxConf, s.nginxMode = lbtest.FreePort(t), s.path("n/nginx.conf"), s.path("mode")
	if err := os.Chmod(s.dir, 0o755); err != nil { // nginx's workers are somebody else.
		t.Fatal(err)
	}
	s.write(t, "n/nginx.conf", lbtest.NginxConf(s.path("n"), s.nginxPort))
	s.write(t, "n/conf.d/frontends.conf", "upstream frontends { server 127.0.0.1:1 down; }\n")
	s.write(t, "mode", "")
	s.startNginx(t)
	s.answers(t, s.nginxPort, "502")
	program := lbtest.Program(t, "nginx")
	script := `if [ "$(cat ` + s.nginxMode + `)" = fail ]; then echo no; exit 1; fi; exec "$@"`
	check := lbsync.Command{"sh", "-c", script, "sh"}
	check = append(check, keeping(s.path("kept-n"), s.path("n/conf.d/frontends.conf"), program, "-t", "-c", s.nginxConf)...)
	target, err := nginx.NewTarget(lbsync.Nginx{
		Config: s.path("n/conf.d/frontends.conf"), Services: []string{"frontends"}, Check: check,
		Reload: lbsync.Command{program, "-s", "reload", "-c", s.nginxConf}, Verify: "127.0.0.1:" + lbtest.FreePort(t), Pace: unpaced(),
	}, nginx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.targets = append(s.targets, target)
}

func (s *site) startNginx(t *testing.T) {
	t.Helper()
	s.nginx = lbtest.Start(t, lbtest.Program(t, "nginx"), "-c", s.nginxConf)
}

// keeping returns a check that leaves a copy of each file in a directory, and then runs a command.
func keeping(dir, file string, command ...string) lbsync.Command {
	const script = `f=$(mktemp -p "$2") && cp "$1" "$f" && mv "$f" "$2/kept.${f##*.}" || exit 1; shift 2; exec "$@"`
	return append(lbsync.Command{"sh", "-c", script, "sh", file, dir}, command...)
}

func unpaced() lbsync.PaceConfig {
	return lbsync.PaceConfig{MinGap: new(lbsync.Duration), PerMinute: 100000, Jitter: new(lbsync.Duration)}
}

// answers waits until a balancer answers with a status.
func (s *site) answers(t *testing.T, port, status string) {
	t.Helper()
	lbtest.Eventually(t, 10*time.Second, "an answer of "+status, func() bool {
		_, trouble := lbtest.Get(t.Context(), port)
		return strings.HasPrefix(trouble, status)
	})
}

// start runs a Syncer that asks the registry over HTTP, until the test ends.
func (s *site) start(t *testing.T) {
	t.Helper()
	log, logger := lbtest.NewLog(t)
	s.log = log
	source, err := lbsync.NewRegistrySource([]string{s.registry.URL}, client.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	s.syncer, err = lbsync.New(&lbsync.Config{Services: map[string]lbsync.Service{"frontends": s.service}}, lbsync.Options{
		Targets: s.targets, Source: source, Logger: logger, Timing: s.timing,
	})
	if err != nil {
		t.Fatal(err)
	}
	lbtest.Run(t, s.syncer)
}

// ask sends a request for a key to the registry itself and returns the status. The key's path is sent as it is.
func (s *site) ask(t *testing.T, method, path string, form url.Values) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.registry.Back, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = strings.TrimPrefix(s.registry.Back, "http:") + "/v2/keys" + path
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(req) // It follows no redirect.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body) // The status is enough.
	return resp.StatusCode
}

// register puts entries of web servers under their names.
func (s *site) register(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		s.put(t, name, s.backends[name].Addr)
	}
}

func (s *site) put(t *testing.T, name, value string) {
	t.Helper()
	if status := s.ask(t, http.MethodPut, "/frontends/"+name, url.Values{"value": {value}}); status/100 != 2 {
		t.Fatalf("put %s: status %d", name, status)
	}
}

func (s *site) unregister(t *testing.T, name string) {
	t.Helper()
	if status := s.ask(t, http.MethodDelete, "/frontends/"+name, nil); status != http.StatusOK {
		t.Fatalf("delete %s: status %d", name, status)
	}
}

// serves waits until a balancer sends requests to exactly those, and returns how long that took.
func (s *site) serves(t *testing.T, port string, limit time.Duration, who ...string) time.Duration {
	t.Helper()
	began := time.Now()
	lbtest.Eventually(t, limit, strings.Join(who, " and ")+" get traffic", func() bool {
		return lbtest.Only(t.Context(), port, who...)
	})
	return time.Since(began)
}

// inSync waits until all targets are.
func (s *site) inSync(t *testing.T) {
	t.Helper()
	lbtest.Eventually(t, 10*time.Second, "all targets are in sync", func() bool {
		return !slices.ContainsFunc(s.syncer.Stats().Targets, func(target lbsync.TargetStats) bool { return !target.InSync })
	})
}
