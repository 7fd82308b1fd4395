package lbsync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// runService runs a Syncer of one service on the rig's balancer, from any source, until the test ends.
func (r *rig) runService(t *testing.T, source lbsync.Source, conf lbsync.Service) {
	t.Helper()
	log, logger := lbtest.NewLog(t)
	conf.Prefix, conf.Port = "/a", 80
	s, err := lbsync.New(&lbsync.Config{Services: map[string]lbsync.Service{"a": conf}}, lbsync.Options{
		Targets: []lbsync.Target{{Config: r.path, Services: []string{"a"}, Driver: &r.balancer, Pace: lbsync.Pace{MinGap: -1, PerMinute: -1, Jitter: -1}}},
		Source:  source, Timing: fast, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.log, r.syncer = log, s
	lbtest.Run(t, s)
}

// poolText is what the balancer runs for those hosts.
func poolText(hosts ...int) string {
	slices.Sort(hosts)
	var out strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&out, " s_10.0.1.%d_80", h)
	}
	return "a:" + out.String() + "\n"
}

func (r *rig) setHost(h int) {
	r.registry.Set("/a", fmt.Sprintf("fe%d", h), fmt.Sprintf("10.0.1.%d", h))
}

func (r *rig) deleteHost(h int) { r.registry.Delete("/a", fmt.Sprintf("fe%d", h)) }

// Changes are lost, doubled, late and out of order; listings tell the truth, and the end is always right. Hosts whose removal
// was never heard of are held, here for a moment only.
func TestChaosConverges(t *testing.T) {
	damping, hold := false, lbsync.Duration(100*time.Millisecond)
	r := newRig(t, "a")
	r.runService(t, &lbtest.Chaos{Source: &r.registry}, lbsync.Service{Damping: &damping, MaxHold: &hold, Probe: "none"})
	there := []int{250}
	r.setHost(250)
	for range 15 {
		for range 40 {
			h := 1 + rand.N(10)
			i := slices.Index(there, h)
			if i < 0 {
				r.setHost(h)
				there = append(there, h)
			} else {
				r.deleteHost(h)
				there = slices.Delete(there, i, i+1)
			}
		}
		r.runs(t, poolText(slices.Clone(there)...))
	}
}

// The events of some removals were missed. Where the history tells of them they pass; where it is gone they are held.
func TestWatchGap(t *testing.T) {
	for name, tt := range map[string]struct {
		historyGone bool
		want        string
	}{
		"history explains": {false, poolText(1, 4)},
		"history is gone":  {true, poolText(1, 2, 3, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "a")
			for h := range 3 {
				r.setHost(h + 1)
			}
			r.runService(t, &r.registry, lbsync.Service{Probe: "none"})
			r.runs(t, poolText(1, 2, 3))
			r.registry.Fail("/a", errBroken)
			lbtest.Eventually(t, 5*time.Second, "the registry is away", func() bool { return !r.syncer.Stats().Registry.Reachable })
			if tt.historyGone {
				r.registry.Forget("/a")
				r.setHost(1)
			} else {
				r.deleteHost(2)
				r.deleteHost(3)
			}
			r.setHost(4)
			r.registry.Fail("/a", nil)
			r.runs(t, tt.want)
			lists := r.registry.Lists()
			lbtest.Eventually(t, 5*time.Second, "some relists", func() bool { return r.registry.Lists() > lists+3 })
			if r.now() != tt.want {
				t.Errorf("became %q", r.now())
			}
		})
	}
}

// backwards is a registry whose index falls, as one does that was restarted without its memory of it.
type backwards struct {
	lbsync.Source
	less uint64
}

func (b *backwards) List(ctx context.Context, prefix string) (lbsync.Listing, error) {
	l, err := b.Source.List(ctx, prefix)
	if l.Index > b.less {
		l.Index -= b.less
	}
	return l, err
}

func (b *backwards) Next(context.Context, string, uint64) (lbsync.Change, error) {
	return lbsync.Change{}, lbsync.ErrLostPlace
}

// A registry was restarted empty, and hosts come back one by one: the pool never gets smaller, and is right in the end.
func TestRegistryRestartedEmpty(t *testing.T) {
	for name, source := range map[string]func(*lbtest.Registry) lbsync.Source{
		"wiped":           func(r *lbtest.Registry) lbsync.Source { return r },
		"index backwards": func(r *lbtest.Registry) lbsync.Source { return &backwards{Source: r, less: 90} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "a")
			all := []int{1, 2, 3, 4, 5}
			for _, h := range all {
				r.setHost(h)
			}
			r.runService(t, source(&r.registry), lbsync.Service{Probe: "none"})
			r.runs(t, poolText(all...))
			r.registry.Forget("/a")
			lbtest.Eventually(t, 5*time.Second, "all are held", func() bool { return r.held() == len(all) })
			for i, h := range all {
				r.setHost(h)
				lbtest.Eventually(t, 5*time.Second, "one more is listed", func() bool { return r.held() == len(all)-i-1 })
			}
			if r.reloads() != 1 || r.now() != poolText(all...) {
				t.Errorf("%d reloads, and runs %q", r.reloads(), r.now())
			}
			r.setHost(6)
			r.runs(t, poolText(1, 2, 3, 4, 5, 6))
		})
	}
}

// The registry is away when lbsync starts: the last good pools are served, also where the file has been lost.
func TestBootWithoutRegistry(t *testing.T) {
	r := newRig(t, "a")
	r.setHost(1)
	r.setHost(2)
	stop := r.start(t)
	r.runs(t, poolText(1, 2))
	lbtest.Eventually(t, 5*time.Second, "in sync", func() bool { return r.target().InSync })
	stop()
	r.registry.Fail("/a", errBroken)
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	r.runService(t, &r.registry, lbsync.Service{})
	lbtest.Eventually(t, 5*time.Second, "the file is there again", func() bool {
		return r.file(t) == poolText(1, 2) && r.target().InSync && r.reloads() == 2
	})
	r.setHost(3)
	r.registry.Fail("/a", nil)
	r.runs(t, poolText(1, 2, 3))
}

// What was remembered is of no use and the registry is away: everything stays as it is until the registry answers.
func TestBootWithCorruptState(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"empty":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"half":        func(path string) error { return os.Truncate(path, 20) },
		"garbage":     func(path string) error { return os.WriteFile(path, []byte("\x00\xff{]"), 0o600) },
		"other types": func(path string) error { return os.WriteFile(path, []byte(`{"pools":[1],"services":"x"}`), 0o600) },
		"a directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "a")
			r.setHost(1)
			if err := r.once(t); err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(filepath.Dir(r.path), ".balancer.cfg.rollcall-pools")); err != nil {
				t.Fatal(err)
			}
			r.registry.Fail("/a", errBroken)
			r.runService(t, &r.registry, lbsync.Service{})
			lbtest.Eventually(t, 5*time.Second, "the registry is asked", func() bool { return r.syncer.Stats().Registry.Failures >= 3 })
			if r.file(t) != poolText(1) || r.reloads() != 1 {
				t.Errorf("the file is %q after %d reloads", r.file(t), r.reloads())
			}
			if !strings.Contains(r.log.String(), "level=WARN") {
				t.Error("the log is silent")
			}
			r.setHost(2)
			r.registry.Fail("/a", nil)
			r.runs(t, poolText(1, 2))
		})
	}
}

// One balancer is broken, or one has a checker that hangs: the other goes on.
func TestOneOfTwoBalancersIsBroken(t *testing.T) {
	good := newRig(t)
	bad := &balancer{path: filepath.Join(t.TempDir(), "bad.cfg")}
	cfg := &lbsync.Config{Services: map[string]lbsync.Service{"a": {Prefix: "/a", Port: 80}}}
	targets := []lbsync.Target{
		{Config: bad.path, Services: []string{"a"}, Driver: bad, Pace: lbsync.Pace{MinGap: -1, Jitter: -1}},
		{Config: good.path, Services: []string{"a"}, Driver: &good.balancer, Pace: lbsync.Pace{MinGap: -1, Jitter: -1}},
	}
	s, err := lbsync.New(cfg, lbsync.Options{Targets: targets, Source: &good.registry, Timing: fast})
	if err != nil {
		t.Fatal(err)
	}
	lbtest.Run(t, s)
	for h, step := range []lbsync.Step{lbsync.StepRender, lbsync.StepCheck, lbsync.StepReload, lbsync.StepVerify} {
		bad.breakAt(step, errBroken)
		good.setHost(h + 1)
		var hosts []int
		for i := range h + 1 {
			hosts = append(hosts, i+1)
		}
		good.runs(t, poolText(hosts...))
		lbtest.Eventually(t, 5*time.Second, "the bad one is told", func() bool { return s.Stats().Targets[0].Failures[step] > 0 })
		bad.breakAt(step, nil)
		lbtest.Eventually(t, 5*time.Second, "the bad one has recovered", func() bool { return bad.now() == poolText(hosts...) })
	}
}
