package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// patience is for a busy machine.
const patience = 30 * time.Second

// faultSyncer makes a Syncer for the nginx in dir. Each reload adds a byte to the file reloads there.
func faultSyncer(t *testing.T, dir, verify string, source lbsync.Source, place lbtest.Place) *lbsync.Syncer {
	t.Helper()
	nginx, main := lbtest.Program(t, "nginx"), filepath.Join(dir, "nginx.conf")
	target := newTarget(t, lbsync.Nginx{
		Config: filepath.Join(dir, "conf.d", "frontends.conf"), Services: []string{"frontends"}, Verify: verify,
		Check: lbsync.Command{nginx, "-t", "-p", dir, "-c", main},
		Reload: lbsync.Command{
			"sh", "-c", "printf x >>" + dir + "/reloads; exec \"$@\"", "sh", nginx, "-s", "reload", "-p", dir, "-c", main,
		},
		Pace: lbsync.PaceConfig{MinGap: new(lbsync.Duration), Jitter: new(lbsync.Duration)},
	})
	if place != "" {
		target.Driver = lbtest.StopAt(target.Driver, place)
	}
	_, logger := lbtest.NewLog(t)
	s, err := lbsync.New(
		&lbsync.Config{Services: map[string]lbsync.Service{"frontends": {Prefix: prefix, Port: 8080}}},
		lbsync.Options{
			Targets: []lbsync.Target{target}, Source: source, Logger: logger, StateDir: filepath.Join(dir, "state"),
			Timing: lbsync.Timing{Quiet: 20 * time.Millisecond, RetryMin: 50 * time.Millisecond, RetryMax: time.Second},
		})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFaultHelper is the lbsync that is killed; by itself it does nothing.
func TestFaultHelper(t *testing.T) {
	dir := os.Getenv("LBSYNC_TEST_DIR")
	if dir == "" {
		return
	}
	var registry lbtest.Registry
	registry.Set(prefix, "fe", os.Getenv("LBSYNC_TEST_ADDR"))
	s := faultSyncer(t, dir, os.Getenv("LBSYNC_TEST_VERIFY"), &registry, lbtest.Place(os.Getenv("LBSYNC_TEST_PLACE")))
	t.Fatal(s.Once(t.Context()))
}

// Killed at any moment of a round, the file is the old one or the new one, and the next lbsync has the right server soon,
// with one reload at most: nginx may not have begun yet with one that the dead lbsync has asked for.
func TestFaultKilled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	names := []string{"one", "two"}
	addrs := map[string]string{"one": one.Addr, "two": two.Addr}
	var took []time.Duration
	for i, place := range lbtest.Places() {
		t.Run(string(place), func(t *testing.T) {
			name := names[i%2]
			before := readFile(t, r.config)
			helper := lbtest.StartHelper(t, "TestFaultHelper", "LBSYNC_TEST_DIR="+r.dir, "LBSYNC_TEST_VERIFY="+r.conf.Verify,
				"LBSYNC_TEST_PLACE="+string(place), "LBSYNC_TEST_ADDR="+addrs[name])
			helper.AwaitPlace(t)
			helper.Kill(t)
			left, reloads := readFile(t, r.config), r.reloads(t)
			if err := r.conf.Check.Run(t.Context(), patience); err != nil {
				t.Error("the file in place is bad:", err)
			}

			r.registry.Set(prefix, "fe", addrs[name])
			s := faultSyncer(t, r.dir, r.conf.Verify, &r.registry, "")
			began := time.Now()
			stop := lbtest.Run(t, s)
			lbtest.Eventually(t, patience, name+" gets traffic", func() bool { return r.only(t, name) })
			took = append(took, time.Since(began))
			lbtest.Eventually(t, patience, "the target is in sync", func() bool { return s.Stats().Targets[0].InSync })
			stop()
			if after := readFile(t, r.config); left != before && left != after {
				t.Errorf("the file was\n%s\nthen\n%s\nand is\n%s", before, left, after)
			}
			if n := r.reloads(t) - reloads; n > 1 {
				t.Errorf("%d reloads", n)
			}
		})
	}
	// A machine that is busy with other tests says nothing about lbsync.
	if slices.Sort(took); took[len(took)/2] > 3*time.Second {
		t.Errorf("the right servers after %v", took)
	}
}

// reloads counts those that faultSyncers have asked for.
func (r *rig) reloads(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "reloads"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(text)
}

// The checker is broken or the disk is full: nginx goes on with what it has, and has the change after the repair.
func TestFaultFile(t *testing.T) {
	if !lbtest.PrivateMounts(t) {
		return
	}
	t.Parallel()
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r.registry.Set(prefix, "fe", one.Addr)
	s := faultSyncer(t, r.dir, r.conf.Verify, &r.registry, "")
	lbtest.Run(t, s)
	serves := func(name string) {
		t.Helper()
		lbtest.Eventually(t, patience, name+" gets traffic", func() bool { return r.only(t, name) })
		lbtest.Eventually(t, patience, "the target is in sync", func() bool { return s.Stats().Targets[0].InSync })
	}
	serves("one")
	next, addrs := []string{"two", "one"}, map[string]string{"one": one.Addr, "two": two.Addr}
	for i, tt := range []struct {
		step  lbsync.Step
		fault func(*testing.T) (repair func())
	}{
		{lbsync.StepWrite, func(t *testing.T) func() { t.Helper(); return lbtest.ReadOnly(t, filepath.Dir(r.config)) }},
		{lbsync.StepCheck, func(t *testing.T) func() {
			t.Helper()
			bad := filepath.Join(r.dir, "conf.d", "bad.conf")
			writeFile(t, bad, "}")
			return func() { _ = os.Remove(bad) }
		}},
	} {
		visits := lbtest.StartVisits(t, r.port)
		before, failures := readFile(t, r.config), s.Stats().Targets[0].Failures[tt.step]
		repair := tt.fault(t)
		r.registry.Set(prefix, "fe", addrs[next[i]])
		lbtest.Eventually(t, patience, fmt.Sprint("failures at ", tt.step), func() bool {
			return s.Stats().Targets[0].Failures[tt.step] >= failures+2
		})
		if now := readFile(t, r.config); tt.step == lbsync.StepWrite && now != before || strings.TrimSpace(now) == "" {
			t.Errorf("the file became\n%s", now)
		}
		if !r.only(t, next[1-i]) {
			t.Error("nginx has changed")
		}
		repair()
		serves(next[i])
		visits.Check(t)
	}
}
