package lbsync_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/haproxy"
	"rollcall/lbsync/lbtest"
	"rollcall/lbsync/nginx"
)

// A pair is one HAProxy file and one nginx file with a registry.
type pair struct {
	dir      string
	registry lbtest.Registry
	log      *lbtest.Log
	stats    lbsync.Stats
}

func newPair(t *testing.T) *pair {
	t.Helper()
	return &pair{dir: t.TempDir()}
}

// syncer makes a new Syncer of both files.
func (p *pair) syncer(t *testing.T) *lbsync.Syncer {
	t.Helper()
	h, err := haproxy.NewTarget(lbsync.HAProxy{
		Config: filepath.Join(p.dir, "haproxy.cfg"), Bind: ":80", Services: []string{"frontends"},
		Check: lbsync.Command{lbtest.Program(t, "haproxy"), "-c", "-f", "{file}"},
	}, haproxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := nginx.NewTarget(lbsync.Nginx{
		Config: filepath.Join(p.dir, "frontends.conf"), Services: []string{"frontends"},
		Check: lbsync.Command{lbtest.Program(t, "nginx"), "-t"},
	}, nginx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.Driver, n.Driver = withoutBalancer{h.Driver}, withoutBalancer{n.Driver}
	log, logger := lbtest.NewLog(t)
	p.log = log
	s, err := lbsync.New(
		&lbsync.Config{Services: map[string]lbsync.Service{"frontends": {Prefix: "/frontends", Port: 8080, HostNames: true}}},
		lbsync.Options{Targets: []lbsync.Target{h, n}, Source: &p.registry, Logger: logger, Resolver: &resolver{}, Timing: fast},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a Syncer until the test ends.
func (p *pair) start(t *testing.T) *lbsync.Syncer {
	t.Helper()
	s := p.syncer(t)
	lbtest.Run(t, s)
	return s
}

// once brings both files to what the registry holds, with a new Syncer, and returns their bytes.
func (p *pair) once(t *testing.T) string {
	t.Helper()
	s := p.syncer(t)
	if err := s.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.stats = s.Stats()
	return p.files(t)
}

func (p *pair) files(t *testing.T) string {
	t.Helper()
	return p.read(t, "haproxy.cfg") + p.read(t, "frontends.conf")
}

func (p *pair) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withoutBalancer is a Driver whose balancer does not run: candidates are checked, nothing is loaded.
type withoutBalancer struct {
	lbsync.Driver
}

func (withoutBalancer) CheckLive(context.Context) error { return nil }

func (withoutBalancer) Reload(context.Context) (lbsync.Proof, error) {
	return func(context.Context) error { return nil }, nil
}

// Whatever a key or a value holds: it is rejected, the log and the stats say why, and both files are to the byte
// what they are without it.
func TestInjection(t *testing.T) {
	p := newPair(t)
	p.registry.Set("/frontends", "fe1", "10.0.1.1")
	p.registry.Set("/frontends", "fe2", "10.0.1.2:8081")
	s := p.start(t)
	lbtest.Eventually(t, 10*time.Second, "both files are applied", func() bool {
		targets := s.Stats().Targets
		return targets[0].InSync && targets[1].InSync
	})
	clean := p.files(t)
	if !strings.Contains(clean, "10.0.1.1:8080") || !strings.Contains(clean, "10.0.1.2:8081") {
		t.Fatalf("the files are\n%s", clean)
	}
	for reason, values := range lbsync.RejectedValues {
		for _, value := range values {
			p.attack(t, s, reason, "fe3", value)
		}
	}
	for _, key := range lbsync.BadKeys {
		p.attack(t, s, lbsync.ReasonKey, key, "10.0.1.3")
	}
	p.attack(t, s, lbsync.ReasonHost, "fe3", "nobody.example")
	p.attack(t, s, lbsync.ReasonDuplicate, "fe3", "10.0.1.1:8080")
	p.attack(t, s, lbsync.ReasonDuplicate, "fe3", `{"addr":"::ffff:10.0.1.1","weight":1}`)
	for _, target := range s.Stats().Targets {
		if target.Applied != 1 || !target.InSync {
			t.Errorf("%s: %+v", target.Config, target)
		}
	}
	if got := p.files(t); got != clean {
		t.Errorf("the files became\n%s", got)
	}
}

// attack sets an entry, and takes it away when it has been seen.
func (p *pair) attack(t *testing.T, s *lbsync.Syncer, reason lbsync.Reason, key, value string) {
	t.Helper()
	logged, clean := len(p.log.String()), p.files(t)
	rejected := func() int { return s.Stats().Services[0].Rejected[reason] }
	p.registry.Set("/frontends", key, value)
	lbtest.Eventually(t, 5*time.Second, "an entry is rejected as "+string(reason), func() bool { return rejected() == 1 })
	lbtest.Eventually(t, 5*time.Second, "a line of log", func() bool {
		return strings.Contains(p.log.String()[logged:], "reason="+string(reason))
	})
	if n := len(p.log.String()) - logged; n > 2<<10 {
		t.Errorf("key %.40q, value %.60q: %d bytes of log", key, value, n)
	}
	if got := p.files(t); got != clean {
		t.Errorf("key %.40q, value %.60q: the files became\n%s", key, value, got)
	}
	p.registry.Delete("/frontends", key)
	lbtest.Eventually(t, 5*time.Second, "the entry is gone", func() bool { return rejected() == 0 })
}

// All at once, the good ones still come and go.
func TestInjectionAllTogether(t *testing.T) {
	p := newPair(t)
	p.registry.Set("/frontends", "fe1", "10.0.1.1")
	clean := p.once(t)
	bad := 0
	for reason, values := range lbsync.RejectedValues {
		for i, value := range values {
			p.registry.Set("/frontends", string(reason)+"_"+strings.Repeat("x", i), value)
			bad++
		}
	}
	for _, key := range lbsync.BadKeys {
		p.registry.Set("/frontends", key, "10.0.1.3")
		bad++
	}
	if got := p.once(t); got != clean {
		t.Errorf("the files became\n%s", got)
	}
	total := 0
	for _, n := range p.stats.Services[0].Rejected {
		total += n
	}
	if total != bad {
		t.Errorf("%d rejected of %d", total, bad)
	}
	p.registry.Set("/frontends", "fe2", "10.0.1.2")
	if got := p.once(t); got == clean || !strings.Contains(got, "s_10.0.1.2_8080 10.0.1.2:8080 ") {
		t.Errorf("a good server was not added\n%s", got)
	}
}
