package nginx

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

const (
	prefix    = "/frontends"
	apiPrefix = "/api"
)

// A rig is a real nginx with a Syncer and a registry.
type rig struct {
	dir      string
	config   string
	port     string
	conf     lbsync.Nginx
	more     []lbsync.Nginx // further targets of the same nginx
	registry lbtest.Registry
	log      *lbtest.Log
	syncer   *lbsync.Syncer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &rig{dir: dir, config: filepath.Join(dir, "conf.d", "frontends.conf"), port: lbtest.FreePort(t)}
	main := filepath.Join(dir, "nginx.conf")
	writeFile(t, main, lbtest.NginxConf(dir, r.port))
	writeFile(t, r.config, "upstream frontends { server 127.0.0.1:1 down; }\n")
	nginx := lbtest.Program(t, "nginx")
	lbtest.Start(t, nginx, "-p", dir, "-c", main)
	lbtest.Eventually(t, 5*time.Second, "nginx answers", func() bool {
		_, trouble := lbtest.Get(t.Context(), r.port)
		return strings.HasPrefix(trouble, "502")
	})
	r.conf = lbsync.Nginx{
		Config: r.config, Services: []string{"frontends"},
		Check:  lbsync.Command{nginx, "-t", "-p", dir, "-c", main},
		Reload: lbsync.Command{nginx, "-s", "reload", "-p", dir, "-c", main},
		Verify: "127.0.0.1:" + lbtest.FreePort(t),
	}
	return r
}

func newTarget(t *testing.T, conf lbsync.Nginx) lbsync.Target {
	t.Helper()
	target, err := NewTarget(conf, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func (r *rig) start(t *testing.T) {
	t.Helper()
	log, logger := lbtest.NewLog(t)
	r.log = log
	cfg := &lbsync.Config{Services: map[string]lbsync.Service{}}
	var targets []lbsync.Target
	for _, conf := range append([]lbsync.Nginx{r.conf}, r.more...) {
		targets = append(targets, newTarget(t, conf))
		for _, name := range conf.Services {
			cfg.Services[name] = lbsync.Service{Prefix: "/" + name, Port: 8080}
		}
	}
	var err error
	r.syncer, err = lbsync.New(cfg, lbsync.Options{Targets: targets, Source: &r.registry, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	lbtest.Run(t, r.syncer)
}

// only tells whether those who are named, and nobody else, get traffic.
func (r *rig) only(t *testing.T, who ...string) bool {
	t.Helper()
	return lbtest.Only(t.Context(), r.port, who...)
}

func (r *rig) failures(step lbsync.Step) uint64 {
	return r.syncer.Stats().Targets[0].Failures[step]
}

func TestServersComeAndGo(t *testing.T) {
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r.start(t)
	r.registry.Set(prefix, "fe1", one.Addr)
	lbtest.Eventually(t, 5*time.Second, "one gets traffic", func() bool { return r.only(t, "one") })
	r.registry.Set(prefix, "fe2", two.Addr)
	lbtest.Eventually(t, 5*time.Second, "both get traffic", func() bool { return r.only(t, "one", "two") })

	lbtest.Eventually(t, 5*time.Second, "both changes are applied", func() bool { return r.applied() == 2 })

	r.registry.Delete(prefix, "fe1")
	lbtest.Eventually(t, 5*time.Second, "the removal is applied", func() bool { return r.applied() == 3 })
	// "Applied" is a promise: no old worker answers any more.
	if !r.only(t, "two") {
		t.Error("a removed server gets traffic after the change was called applied")
	}
	r.registry.Delete(prefix, "fe2")
	lbtest.Eventually(t, 5*time.Second, "the pool is held", func() bool { return r.syncer.Stats().Services[0].Preserving })
	if !r.only(t, "two") {
		t.Error("the last server has lost its traffic")
	}
}

// No request reaches a server whose removal is called applied, however many there are.
func TestNothingReachesARemovedServer(t *testing.T) {
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r.registry.Set(prefix, "fe1", one.Addr)
	r.registry.Set(prefix, "fe2", two.Addr)
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "both are applied", func() bool { return r.log.Has("change applied", "servers=2") })
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				lbtest.Get(ctx, r.port)
			}
		})
	}
	r.registry.Delete(prefix, "fe1")
	lbtest.Eventually(t, 5*time.Second, "the removal is applied", func() bool { return r.log.Has("change applied", "servers=1") })
	applied := time.Now()
	lbtest.Eventually(t, 5*time.Second, "the other one works on", func() bool {
		return two.LastRequest().Sub(applied) > 200*time.Millisecond
	})
	cancel()
	load.Wait()
	if late := one.LastRequest().Sub(applied); late > 0 {
		t.Errorf("a request %v after the removal was called applied", late)
	}
}

func (r *rig) applied() uint64 { return r.syncer.Stats().Targets[0].Applied }

// The candidate is good, the operator's own configuration around it is not: nothing is reloaded, nothing stays behind.
func TestBrokenTreeAroundTheFile(t *testing.T) {
	r := newRig(t)
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	other := filepath.Join(r.dir, "conf.d", "other.conf")
	writeFile(t, other, "upstream frontends { server 127.0.0.1:1; }\n") // The same name again.
	before := readFile(t, r.config)
	r.registry.Set(prefix, "fe1", one.Addr)
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "the check fails twice", func() bool { return r.failures(lbsync.StepCheck) >= 2 })
	lbtest.Eventually(t, 5*time.Second, "the old file is back", func() bool { return readFile(t, r.config) == before })
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	lbtest.Eventually(t, 10*time.Second, "one gets traffic", func() bool { return r.only(t, "one") })
}

func TestBrokenTreeWithoutAnEarlierFile(t *testing.T) {
	r := newRig(t)
	other := filepath.Join(r.dir, "conf.d", "other.conf")
	if err := os.Rename(r.config, other); err != nil {
		t.Fatal(err)
	}
	r.registry.Set(prefix, "fe1", "127.0.0.2:80")
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "the check fails twice", func() bool { return r.failures(lbsync.StepCheck) >= 2 })
	lbtest.Eventually(t, 5*time.Second, "no file is left", func() bool {
		_, err := os.Stat(r.config)
		return os.IsNotExist(err)
	})
}

// nginx takes the signal, returns 0, and then cannot bind a port that is taken.
func TestReloadThatTheMasterRefuses(t *testing.T) {
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r.registry.Set(prefix, "fe1", one.Addr)
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "one gets traffic", func() bool { return r.only(t, "one") })
	good := readFile(t, r.config)

	conflict := filepath.Join(r.dir, "conf.d", "conflict.conf")
	writeFile(t, conflict, "server { listen "+one.Addr+"; }\n")
	r.registry.Set(prefix, "fe2", two.Addr)
	lbtest.Eventually(t, 5*time.Second, "verify fails", func() bool { return r.failures(lbsync.StepVerify) >= 1 })
	lbtest.Eventually(t, 5*time.Second, "nginx is quoted", func() bool {
		return r.log.Has("has not exchanged its workers", "bind() to "+one.Addr+" failed", "still could not bind()")
	})
	if readFile(t, r.config) != good || !r.only(t, "one") {
		t.Error("the good file is not back or not served")
	}
	if err := os.Remove(conflict); err != nil {
		t.Fatal(err)
	}
	lbtest.Eventually(t, 20*time.Second, "both get traffic", func() bool { return r.only(t, "one", "two") })
}

// A port that is taken at first and free a moment later is no failure.
func TestReloadThatBindsLate(t *testing.T) {
	r := newRig(t)
	taken := lbtest.FreePort(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+taken)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(r.dir, "conf.d", "conflict.conf"), "server { listen 127.0.0.1:"+taken+"; }\n")
	free := time.AfterFunc(700*time.Millisecond, func() { _ = listener.Close() })
	defer free.Stop()
	r.put(t, newPoolOf(t, "frontends", "127.0.0.2:80"))
	if err := r.reload(t); err != nil {
		t.Error(err)
	}
}
