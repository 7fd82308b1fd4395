package haproxy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// quick are delays for tests that wait for real time and run a real HAProxy.
var quick = lbsync.Timing{
	Quiet: 20 * time.Millisecond, MaxDelay: 200 * time.Millisecond, Relist: 500 * time.Millisecond,
	Drift: 300 * time.Millisecond, RetryMin: 50 * time.Millisecond, RetryMax: 300 * time.Millisecond,
}

// patience is for a busy machine: what is waited for takes a tenth of a second on an idle one.
const patience = 30 * time.Second

// A faultRig is a rig whose HAProxy takes changes by commands and reloads through its master. The file, the sockets and
// the state each have a directory of their own.
type faultRig struct {
	*rig
	dir, etc, run, state string
	// socket is HAProxy's own runtime socket, relay the one that lbsync knows.
	socket   string
	relay    *lbtest.Relay
	mode     string // file that says how the checker behaves; empty for well
	backends map[string]*lbtest.Backend
}

func newFaultRig(t *testing.T) *faultRig {
	t.Helper()
	dir := t.TempDir()
	return newFaultRigIn(t, dir, filepath.Join(dir, "etc"))
}

// newFaultRigIn has HAProxy's file in etc.
func newFaultRigIn(t *testing.T, dir, etc string) *faultRig {
	t.Helper()
	r := &faultRig{
		rig: &rig{config: filepath.Join(etc, "haproxy.cfg"), port: lbtest.FreePort(t)},
		dir: dir, etc: etc, run: filepath.Join(dir, "run"), state: filepath.Join(dir, "state"),
		mode: filepath.Join(dir, "mode"), backends: map[string]*lbtest.Backend{},
	}
	for _, d := range []string{r.etc, r.run} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, r.mode, "")
	writeFile(t, r.config, replacePort(bootstrap, r.port))
	r.conf, r.socket = faultConf(t, dir, etc, r.port)
	for _, name := range []string{"one", "two", "three"} {
		r.backends[name] = lbtest.NewBackend(t, name, "127.0.0.2")
	}
	r.relay = lbtest.NewRelay(t, r.conf.RuntimeSocket, r.socket)
	r.launch(t)
	return r
}

// faultConf makes the configuration and the template it needs, and returns HAProxy's own socket, which the template names;
// lbsync goes by the relay.
func faultConf(t *testing.T, dir, etc, port string) (conf lbsync.HAProxy, socket string) {
	t.Helper()
	socket = filepath.Join(dir, "run", "h.sock")
	template := filepath.Join(dir, "haproxy.tmpl")
	if _, err := os.Stat(template); err != nil {
		writeFile(t, template, strings.ReplaceAll(builtIn, "{{.RuntimeSocket}}", socket))
	}
	return lbsync.HAProxy{
		Config: filepath.Join(etc, "haproxy.cfg"), Bind: "127.0.0.1:" + port, Services: []string{"frontends"}, Template: template,
		RuntimeSocket: filepath.Join(dir, "run", "relay.sock"), MasterSocket: filepath.Join(dir, "run", "m.sock"),
		Check: checker(t, filepath.Join(dir, "mode")),
		Pace:  lbsync.PaceConfig{MinGap: new(lbsync.Duration), Jitter: new(lbsync.Duration)},
	}, socket
}

// checker is HAProxy's, and breaks in the way that the file mode says.
func checker(t *testing.T, mode string) lbsync.Command {
	t.Helper()
	script := "case \"$(cat " + mode + ")\" in hang) sleep 1000;; fail) echo no; exit 1;; die) kill -SEGV $$;; esac; exec \"$@\""
	return lbsync.Command{"sh", "-c", script, "sh", lbtest.Program(t, "haproxy"), "-c", "-f", "{file}"}
}

// launch starts HAProxy with the file that is in place.
func (r *faultRig) launch(t *testing.T) {
	t.Helper()
	r.pid = lbtest.Start(t, lbtest.Program(t, "haproxy"), "-W", "-S", r.conf.MasterSocket, "-f", r.config).PID
	lbtest.Eventually(t, patience, "HAProxy is up", func() bool {
		_, err := askMaster(t.Context(), r.master())
		return err == nil
	})
}

func (r *faultRig) master() socket { return socket{r.conf.MasterSocket, commandTimeout} }

// reloads counts those since HAProxy was started, also the failed ones.
func (r *faultRig) reloads(t *testing.T) int {
	t.Helper()
	p, err := askMaster(t.Context(), r.master())
	if err != nil {
		t.Fatal(err)
	}
	return p.reloads
}

// register puts entries of web servers, which carry the names of their keys.
func (r *faultRig) register(names ...string) {
	for _, name := range names {
		r.registry.Set(prefix, name, r.backends[name].Addr)
	}
}

// new makes a Syncer, as a new process would.
func (r *faultRig) new(t *testing.T) *lbsync.Syncer {
	t.Helper()
	target, err := NewTarget(r.conf, r.options)
	if err != nil {
		t.Fatal(err)
	}
	log, logger := lbtest.NewLog(t)
	r.log = log
	source := r.source
	if source == nil {
		source = &r.registry
	}
	cfg := &lbsync.Config{Services: map[string]lbsync.Service{"frontends": {Prefix: prefix, Port: 8080}}}
	r.syncer, err = lbsync.New(cfg, lbsync.Options{
		Targets: []lbsync.Target{target}, Source: source, Logger: logger, Timing: quick, StateDir: r.state,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.syncer
}

// start runs a new Syncer until the test ends or the returned function is called.
func (r *faultRig) start(t *testing.T) (stop func()) {
	t.Helper()
	s := r.new(t)
	return lbtest.Run(t, s)
}

// serves waits until exactly those get traffic.
func (r *faultRig) serves(t *testing.T, who ...string) {
	t.Helper()
	lbtest.Eventually(t, patience, strings.Join(who, " and ")+" get traffic", func() bool { return r.only(t, who...) })
}

// converged waits until lbsync is content and the file has exactly those, with the check of HAProxy.
func (r *faultRig) converged(t *testing.T, who ...string) {
	t.Helper()
	r.serves(t, who...)
	lbtest.Eventually(t, patience, "the target is in sync", func() bool {
		return r.syncer.Stats().Targets[0].InSync && slices.Equal(r.inFile(t), r.addrs(who...))
	})
	r.wantChecked(t)
}

// inFile are the addresses of the file's servers.
func (r *faultRig) inFile(t *testing.T) []string {
	t.Helper()
	var addrs []string
	for _, b := range parseFile([]byte(readFile(t, r.config))).backends {
		for _, s := range b.servers {
			addrs = append(addrs, s.addr.String())
		}
	}
	slices.Sort(addrs)
	return addrs
}

func (r *faultRig) addrs(who ...string) []string {
	var addrs []string
	for _, name := range who {
		addrs = append(addrs, r.backends[name].Addr)
	}
	slices.Sort(addrs)
	return addrs
}

// wantChecked fails unless HAProxy takes the file in place.
func (r *faultRig) wantChecked(t *testing.T) {
	t.Helper()
	if err := (lbsync.Command{lbtest.Program(t, "haproxy"), "-c", "-f", r.config}).Run(t.Context(), 10*time.Second); err != nil {
		t.Error("the file in place is bad:", err)
	}
}
