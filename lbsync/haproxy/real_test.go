package haproxy

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

const prefix = "/frontends"

// bootstrap is what a balancer runs before lbsync comes: a file of somebody else.
const bootstrap = `defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend old
    bind 127.0.0.1:PORT
    http-request return status 200 content-type text/plain string old
`

// A rig is a real HAProxy in master-worker mode with a Syncer and a registry.
type rig struct {
	config   string
	port     string
	pid      int
	conf     lbsync.HAProxy
	registry lbtest.Registry
	source   lbsync.Source // nil means registry
	options  Options
	log      *lbtest.Log
	syncer   *lbsync.Syncer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{config: filepath.Join(dir, "haproxy.cfg"), port: lbtest.FreePort(t)}
	writeFile(t, r.config, replacePort(bootstrap, r.port))
	haproxy := lbtest.Program(t, "haproxy")
	r.pid = lbtest.Start(t, haproxy, "-W", "-S", filepath.Join(dir, "master.sock"), "-f", r.config).PID
	lbtest.Eventually(t, 5*time.Second, "the old file is served", func() bool { return r.old(t) })
	r.conf = lbsync.HAProxy{
		Config: r.config, Bind: "127.0.0.1:" + r.port, Services: []string{"frontends"},
		Check:  lbsync.Command{haproxy, "-c", "-f", "{file}"},
		Reload: lbsync.Command{"sh", "-c", "kill -USR2 " + strconv.Itoa(r.pid)},
	}
	return r
}

// old tells whether the configuration that was there before lbsync serves.
func (r *rig) old(t *testing.T) bool {
	t.Helper()
	body, _ := lbtest.Get(t.Context(), r.port)
	return body == "old"
}

// only tells whether those who are named, and nobody else, get traffic.
func (r *rig) only(t *testing.T, who ...string) bool {
	t.Helper()
	return lbtest.Only(t.Context(), r.port, who...)
}

// start runs a Syncer until the test ends.
func (r *rig) start(t *testing.T) {
	t.Helper()
	target, err := NewTarget(r.conf, r.options)
	if err != nil {
		t.Fatal(err)
	}
	log, logger := lbtest.NewLog(t)
	r.log = log
	if r.source == nil {
		r.source = &r.registry
	}
	all := lbsync.Percent(1) // Nothing is held: these tests are about what passes.
	cfg := &lbsync.Config{Services: map[string]lbsync.Service{"frontends": {Prefix: prefix, Port: 8080, MaxLoss: &all}}}
	r.syncer, err = lbsync.New(cfg, lbsync.Options{Targets: []lbsync.Target{target}, Source: r.source, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	lbtest.Run(t, r.syncer)
}

func TestServersComeAndGo(t *testing.T) {
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r.start(t)
	if !r.old(t) {
		t.Fatal("an empty registry has changed the balancer")
	}
	r.registry.Set(prefix, "fe1", one.Addr)
	lbtest.Eventually(t, 5*time.Second, "one gets traffic", func() bool { return r.only(t, "one") })

	r.registry.Set(prefix, "fe2", two.Addr)
	lbtest.Eventually(t, 5*time.Second, "both get traffic", func() bool { return r.only(t, "one", "two") })

	r.registry.Delete(prefix, "fe1")
	began := time.Now()
	lbtest.Eventually(t, 5*time.Second, "two alone gets traffic", func() bool { return r.only(t, "two") })
	t.Logf("removed server was out after %v", time.Since(began))

	// The last one goes, and stays: a pool is never emptied.
	r.registry.Delete(prefix, "fe2")
	lbtest.Eventually(t, 5*time.Second, "the pool is held", func() bool { return r.syncer.Stats().Services[0].Preserving })
	if !r.only(t, "two") {
		t.Fatal("the last server has lost its traffic")
	}
}

func TestDrainAndDownGetNothing(t *testing.T) {
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r.registry.Set(prefix, "fe1", one.Addr)
	r.registry.Set(prefix, "fe2", two.Addr)
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "both get traffic", func() bool { return r.only(t, "one", "two") })
	for _, state := range []string{"drain", "down"} {
		r.registry.Set(prefix, "fe2", `{"addr":"`+two.Addr+`","state":"`+state+`"}`)
		lbtest.Eventually(t, 5*time.Second, state, func() bool { return r.only(t, "one") })
		r.registry.Set(prefix, "fe2", two.Addr)
		lbtest.Eventually(t, 5*time.Second, "up again", func() bool { return r.only(t, "one", "two") })
	}
}

func TestRegistryDownChangesNothing(t *testing.T) {
	r := newRig(t)
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	r.registry.Set(prefix, "fe1", one.Addr)
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "one gets traffic", func() bool { return r.only(t, "one") })
	before := readFile(t, r.config)

	r.registry.Fail(prefix, errors.New("no route"))
	r.registry.Delete(prefix, "fe1")
	lbtest.Eventually(t, 5*time.Second, "the loss is noticed twice", func() bool { return r.syncer.Stats().Registry.Failures >= 2 })
	if readFile(t, r.config) != before || !r.only(t, "one") {
		t.Error("the balancer has changed")
	}
	if r.syncer.Stats().Registry.Reachable {
		t.Error("stats call the registry reachable")
	}
	two := lbtest.NewBackend(t, "two", "127.0.0.3")
	r.registry.Set(prefix, "fe2", two.Addr)
	r.registry.Fail(prefix, nil)
	lbtest.Eventually(t, 10*time.Second, "two gets traffic", func() bool { return r.only(t, "two") })
}

func TestFailedReloadIsUndoneAndTriedAgain(t *testing.T) {
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	broken := filepath.Join(t.TempDir(), "broken")
	r.conf.Reload = lbsync.Command{"sh", "-c", "test ! -e " + broken + " && kill -USR2 " + strconv.Itoa(r.pid)}
	r.registry.Set(prefix, "fe1", one.Addr)
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "one gets traffic", func() bool { return r.only(t, "one") })
	good := readFile(t, r.config)

	writeFile(t, broken, "")
	r.registry.Set(prefix, "fe2", two.Addr)
	lbtest.Eventually(t, 5*time.Second, "the reload is tried twice", func() bool { return r.failures(lbsync.StepReload) >= 2 })
	lbtest.Eventually(t, 5*time.Second, "the good file is back", func() bool { return readFile(t, r.config) == good })
	if r.syncer.Stats().Targets[0].InSync {
		t.Error("stats call the target in sync")
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	lbtest.Eventually(t, 10*time.Second, "both get traffic", func() bool { return r.only(t, "one", "two") })
}

// A bind conflict passes the check and the signal; only the missing worker tells.
func TestReloadThatDoesNothingIsNoticed(t *testing.T) {
	r := newRig(t)
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	r.conf.Bind = one.Addr
	before := readFile(t, r.config)
	r.registry.Set(prefix, "fe1", one.Addr)
	r.start(t)
	lbtest.Eventually(t, 15*time.Second, "verify fails", func() bool { return r.failures(lbsync.StepVerify) >= 1 })
	lbtest.Eventually(t, 5*time.Second, "the file found at start is back", func() bool { return readFile(t, r.config) == before })
	lbtest.Eventually(t, 5*time.Second, "the old configuration serves", func() bool { return r.old(t) })
}

func (r *rig) failures(step lbsync.Step) uint64 {
	return r.syncer.Stats().Targets[0].Failures[step]
}

// When the servers that are not backups are out, all backups share the traffic.
func TestBackupsShareTheTraffic(t *testing.T) {
	r := newRig(t)
	r.registry.Set(prefix, "fe1", "127.0.0.2:"+lbtest.FreePort(t))
	for _, name := range []string{"one", "two", "three"} {
		b := lbtest.NewBackend(t, name, "127.0.0.3")
		r.registry.Set(prefix, name, `{"addr":"`+b.Addr+`","backup":true}`)
	}
	r.start(t)
	lbtest.Eventually(t, 10*time.Second, "all backups get traffic", func() bool { return r.only(t, "one", "two", "three") })
}
