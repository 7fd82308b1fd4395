package lbsync_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// fast are delays for tests that wait for real time.
var fast = lbsync.Timing{
	Quiet: 5 * time.Millisecond, MaxDelay: 20 * time.Millisecond, ListGap: time.Millisecond,
	Relist: 50 * time.Millisecond, Drift: 50 * time.Millisecond, Settle: 100 * time.Millisecond, RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond,
}

// balancer is a Driver that plays a balancer: Reload loads the file at path, as it is at that moment.
type balancer struct {
	path string

	mu      sync.Mutex // guards what follows
	running string
	loads   []string
	broken  map[lbsync.Step]error // nil or missing: the step works
	checked int

	oldWorkers int
	// hot takes changes without a reload, and reload is what else it wants to be loaded for.
	hot    bool
	reload string
	tries  int           // of Reload
	slow   chan struct{} // a check waits until it is closed; nil: it does not
}

func (b *balancer) Kind() string { return "fake" }

func (b *balancer) Render(pools []lbsync.Pool) ([]byte, error) {
	if err := b.fault(lbsync.StepRender); err != nil {
		return nil, err
	}
	var out strings.Builder
	for _, p := range pools {
		fmt.Fprintf(&out, "%s:", p.Name)
		for _, s := range p.Servers {
			fmt.Fprintf(&out, " %s", s.Name())
		}
		out.WriteByte('\n')
	}
	return []byte(out.String()), nil
}

func (b *balancer) Live(_ context.Context, file []byte) (lbsync.Live, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hot {
		b.running = string(file)
		return lbsync.Live{Running: true, Hot: b.reload == "", Reload: b.reload, Servers: []lbsync.Served{}}, nil
	}
	return lbsync.Live{Blind: true, OldWorkers: b.oldWorkers}, nil
}

func (b *balancer) setOldWorkers(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.oldWorkers = n
}

func (b *balancer) Plan(context.Context, []byte) (lbsync.Plan, error) { return lbsync.Plan{}, nil }

func (b *balancer) CheckCandidate(_ context.Context, path string) error {
	b.mu.Lock()
	b.checked++
	slow := b.slow
	b.mu.Unlock()
	if slow != nil {
		<-slow
	}
	if _, err := os.ReadFile(path); err != nil || path == b.path {
		return fmt.Errorf("no candidate at %s: %w", path, err)
	}
	return b.fault(lbsync.StepCheck)
}

func (b *balancer) CheckLive(context.Context) error { return b.fault("live") }

func (b *balancer) Reload(context.Context) (lbsync.Proof, error) {
	b.mu.Lock()
	b.tries++
	b.mu.Unlock()
	if err := b.fault(lbsync.StepReload); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(b.path)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = string(text)
	b.loads = append(b.loads, b.running)
	return func(context.Context) error { return b.fault(lbsync.StepVerify) }, nil
}

func (b *balancer) fault(step lbsync.Step) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken[step]
}

// breakAt makes a step fail from now on; nil repairs it.
func (b *balancer) breakAt(step lbsync.Step, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken == nil {
		b.broken = map[lbsync.Step]error{}
	}
	b.broken[step] = err
}

// want says what the balancer wants to be loaded for.
func (b *balancer) want(reload string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reload = reload
}

func (b *balancer) attempts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries
}

func (b *balancer) checks() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.checked
}

func (b *balancer) now() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}

func (b *balancer) reloads() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.loads)
}

var errBroken = errors.New("broken by the test")

// A rig is a fake balancer with a Syncer and a registry of two services, "a" and "b".
type rig struct {
	balancer
	registry lbtest.Registry
	services []string
	resolver lbsync.Resolver
	timing   lbsync.Timing
	log      *lbtest.Log
	syncer   *lbsync.Syncer
}

func newRig(t *testing.T, services ...string) *rig {
	t.Helper()
	r := &rig{services: services, timing: fast}
	r.path = filepath.Join(t.TempDir(), "balancer.cfg")
	return r
}

// renew makes a new Syncer, as a new process would.
func (r *rig) renew(t *testing.T) *lbsync.Syncer {
	t.Helper()
	log, logger := lbtest.NewLog(t)
	cfg := &lbsync.Config{Services: map[string]lbsync.Service{
		"a": {Prefix: "/a", Port: 80, HostNames: true}, "b": {Prefix: "/b", Port: 80},
	}}
	s, err := lbsync.New(cfg, lbsync.Options{
		Targets: []lbsync.Target{{
			Config: r.path, Services: r.services, Driver: &r.balancer,
			Pace: lbsync.Pace{MinGap: 20 * time.Millisecond, PerMinute: -1, Jitter: -1},
		}},
		Source: &r.registry, Resolver: r.resolver, Timing: r.timing, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.log, r.syncer = log, s
	return s
}

// start runs a new Syncer until the test ends or the returned function is called.
func (r *rig) start(t *testing.T) (stop func()) {
	t.Helper()
	s := r.renew(t)
	return lbtest.Run(t, s)
}

func (r *rig) once(t *testing.T) error {
	t.Helper()
	return r.renew(t).Once(t.Context())
}

func (r *rig) file(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func (r *rig) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) runs(t *testing.T, want string) {
	t.Helper()
	lbtest.Eventually(t, 5*time.Second, "the balancer runs "+want, func() bool { return r.now() == want })
}

func (r *rig) held() int { return r.syncer.Stats().Services[0].Hosts[lbsync.VerdictHeld] }

func (r *rig) target() lbsync.TargetStats { return r.syncer.Stats().Targets[0] }

func (r *rig) fails(t *testing.T, step lbsync.Step, times uint64) {
	t.Helper()
	lbtest.Eventually(t, 5*time.Second, "failures at "+string(step), func() bool { return r.target().Failures[step] >= times })
}
