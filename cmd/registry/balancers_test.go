package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
	"rollcall/registry/client"
)

// balancersYAML has lbsync keep a HAProxy and an nginx that run already.
const balancersYAML = `endpoints: [http://127.0.0.1:1, NODE]
listen: LISTEN
services:
  frontends: {prefix: /frontends, max_loss: 100%}
haproxy:
  - config: DIR/haproxy.cfg
    bind: "127.0.0.1:HAPROXY"
    services: [frontends]
    check: [HAPROXYBIN, -c, -f, "{file}"]
    reload: [sh, -c, "kill -USR2 $(cat DIR/haproxy.pid)"]
nginx:
  - config: DIR/conf.d/frontends.conf
    services: [frontends]
    check: [NGINXBIN, -t, -c, DIR/nginx.conf]
    reload: [NGINXBIN, -s, reload, -c, DIR/nginx.conf]
`

const haproxyBefore = `defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend before
    bind 127.0.0.1:HAPROXY
    http-request return status 503
`

// site is a node, lbsync, a HAProxy and an nginx, all real.
type site struct {
	dir      string
	node     string
	listen   string // lbsync's probes and metrics
	balancer map[string]string
}

func newSite(t *testing.T) *site {
	t.Helper()
	n, _ := runNode(t, nodeConfig{name: "dot"})
	s := &site{dir: t.TempDir(), node: n.URL(), listen: "127.0.0.1:" + lbtest.FreePort(t)}
	s.balancer = map[string]string{"haproxy": lbtest.FreePort(t), "nginx": lbtest.FreePort(t)}
	if err := os.Chmod(s.dir, 0o755); err != nil { // nginx's workers are somebody else
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write(t, "conf.d/frontends.conf", "upstream frontends { server 127.0.0.1:1 down; }\n")
	s.write(t, "nginx.conf", lbtest.NginxConf(s.dir, s.balancer["nginx"]))
	s.write(t, "haproxy.cfg", haproxyBefore)
	s.write(t, "lbsync.yaml", balancersYAML)
	haproxy := lbtest.Start(t, lbtest.Program(t, "haproxy"), "-W", "-f", filepath.Join(s.dir, "haproxy.cfg"))
	s.write(t, "haproxy.pid", strconv.Itoa(haproxy.PID))
	lbtest.Start(t, lbtest.Program(t, "nginx"), "-c", filepath.Join(s.dir, "nginx.conf"))
	for name, port := range s.balancer {
		lbtest.Eventually(t, 10*time.Second, name+" is up", func() bool {
			_, trouble := lbtest.Get(t.Context(), port)
			return strings.HasPrefix(trouble, "50")
		})
	}
	return s
}

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	text = strings.NewReplacer("DIR", s.dir, "NODE", s.node, "LISTEN", s.listen,
		"HAPROXYBIN", lbtest.Program(t, "haproxy"), "NGINXBIN", lbtest.Program(t, "nginx"),
		"HAPROXY", s.balancer["haproxy"]).Replace(text)
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// registered is a web server that registers itself.
type registered struct {
	*lbtest.Backend
	die func()
}

// register starts a frontend and its heartbeats. When it dies its server goes on to
// answer, so that only the lease can take it out.
func (s *site) register(t *testing.T, name, ip string, ttl time.Duration) registered {
	t.Helper()
	f := registered{Backend: lbtest.NewBackend(t, name, ip)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	c := newTestClient(t, s.node)
	go func() {
		defer close(done)
		for tick := time.NewTicker(ttl / 4); ctx.Err() == nil; {
			if _, err := c.Set(ctx, "/frontends/"+name, f.Addr, client.SetOptions{TTL: ttl}); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	f.die = func() { cancel(); <-done }
	t.Cleanup(f.die)
	return f
}

// only waits until a balancer sends its requests to those who are named, and to all of them.
func (s *site) only(t *testing.T, balancer string, who ...string) {
	t.Helper()
	lbtest.Eventually(t, 20*time.Second, balancer+" serves "+strings.Join(who, " and "), func() bool {
		return lbtest.Only(t.Context(), s.balancer[balancer], who...)
	})
}

// A frontend that registers gets traffic from both balancers; one that dies gets none
// after its TTL plus one second. One of three deaths has to be in time: a machine that
// is busy with other tests tells nothing.
func TestBalancersFollowTheNode(t *testing.T) {
	const ttl = 2 * time.Second
	s := newSite(t)
	start(t, testEnv([]string{"lbsync", "--config", filepath.Join(s.dir, "lbsync.yaml")}))
	s.register(t, "fe1", "127.0.0.2", ttl)
	s.only(t, "haproxy", "fe1")
	s.only(t, "nginx", "fe1")
	var took []time.Duration
	for i := range 3 {
		fe2 := s.register(t, fmt.Sprintf("fe2-%d", i), "127.0.0.3", ttl)
		s.only(t, "haproxy", "fe1", fmt.Sprintf("fe2-%d", i))
		s.only(t, "nginx", "fe1", fmt.Sprintf("fe2-%d", i))
		fe2.die()
		died := time.Now()
		s.only(t, "haproxy", "fe1")
		s.only(t, "nginx", "fe1")
		took = append(took, fe2.LastRequest().Sub(died))
		if took[i] <= ttl+time.Second {
			return
		}
	}
	t.Errorf("traffic went on for %v after a death, want at most %v", took, ttl+time.Second)
}

// Keys and values that would be configuration, written into a real registry, change
// nothing for the others, and each is told.
func TestInjectionThroughTheRegistry(t *testing.T) {
	s := newSite(t)
	start(t, testEnv([]string{"lbsync", "--config", filepath.Join(s.dir, "lbsync.yaml")}))
	s.register(t, "fe1", "127.0.0.2", time.Minute)
	s.only(t, "haproxy", "fe1")
	s.only(t, "nginx", "fe1")
	before := s.files(t)

	c := newTestClient(t, s.node)
	bad := []struct{ key, value string }{
		{"newline", "127.0.0.3:80\n    http-request deny"},
		{"close", "127.0.0.3:80;}\nserver{listen 127.0.0.1:1;root /etc;}\nupstream x{server 127.0.0.2:80;"},
		{"semicolon", "127.0.0.3:80 ; disable frontend x"},
		{"comment", "127.0.0.3:80 # x"},
		{"env", "${HOME}:80"},
		{"unix", "unix@/tmp/x"},
		{"path", "unix:/tmp/x"},
		{"any", "*:80"},
		{"unspecified", "0.0.0.0:80"},
		{"nul", "127.0.0.3:80\x00"},
		{"quote", `"127.0.0.3:80"`},
		{"lookalike", "１２７.0.0.3:80"},
		{"octal", "0177.0.0.3:80"},
		{"port", "127.0.0.3:70000"},
		{"json", `{"addr":"127.0.0.3\n server x","port":80}`},
		{"long", strings.Repeat("1", 64<<10)},
		{"a key; with {braces}\n and lines", "127.0.0.3:80"},
		{strings.Repeat("k", 64<<10), "127.0.0.3:80"},
		{"ﬁ", "127.0.0.3:80"},
	}
	for _, b := range bad {
		set(t, c, "/frontends/"+b.key, b.value)
	}
	lbtest.Eventually(t, 20*time.Second, "all are counted", func() bool {
		return s.rejected(t) == len(bad)
	})
	if after := s.files(t); !slices.Equal(before, after) {
		t.Errorf("the files changed from\n%s\nto\n%s", before, after)
	}
	s.only(t, "haproxy", "fe1")
	s.only(t, "nginx", "fe1")
}

func (s *site) files(t *testing.T) []string {
	t.Helper()
	var texts []string
	for _, name := range []string{"haproxy.cfg", "conf.d/frontends.conf"} {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// rejected sums what lbsync's metrics say is rejected now.
func (s *site) rejected(t *testing.T) int {
	t.Helper()
	sum := 0
	for line := range strings.Lines(answer(t, "GET", "http://"+s.listen+"/metrics", "")) {
		if strings.HasPrefix(line, "rollcall_lbsync_rejected_entries{") {
			n, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]))
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}
