package haproxy

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

// TestFaultHelper is the lbsync that is killed; by itself it does nothing.
func TestFaultHelper(t *testing.T) {
	dir := os.Getenv("LBSYNC_TEST_DIR")
	if dir == "" {
		return
	}
	conf, _ := faultConf(t, dir, filepath.Join(dir, "etc"), os.Getenv("LBSYNC_TEST_PORT"))
	target, err := NewTarget(conf, Options{})
	if err != nil {
		t.Fatal(err)
	}
	target.Driver = lbtest.StopAt(target.Driver, lbtest.Place(os.Getenv("LBSYNC_TEST_PLACE")))
	var registry lbtest.Registry
	registry.Set(prefix, "one", os.Getenv("LBSYNC_TEST_ONE"))
	registry.Set(prefix, "fe", os.Getenv("LBSYNC_TEST_FE"))
	s, err := lbsync.New(
		&lbsync.Config{Services: map[string]lbsync.Service{"frontends": {Prefix: prefix, Port: 8080}}},
		lbsync.Options{Targets: []lbsync.Target{target}, Source: &registry, StateDir: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(s.Once(t.Context()))
}

// Killed at any moment of a round, the file is the old one or the new one, and the next lbsync has the right servers soon,
// with one reload at most where the structure has changed and none where it has not.
func TestFaultKilled(t *testing.T) {
	t.Parallel()
	r := newFaultRig(t)
	r.register("one")
	r.registry.Set(prefix, "fe", r.backends["two"].Addr)
	stop := r.start(t)
	r.converged(t, "one", "two")
	stop()
	template := readFile(t, r.conf.Template)
	in, out := "two", "three"
	round := 0
	var took []time.Duration
	kill := func(t *testing.T, place lbtest.Place, structure bool) {
		t.Helper()
		in, out = out, in
		r.registry.Set(prefix, "fe", r.backends[in].Addr)
		limit := 0
		if structure {
			round++
			writeFile(t, r.conf.Template, fmt.Sprintf("# Round %d.\n%s", round, template))
			limit = 1
		}
		before, reloads := readFile(t, r.config), r.reloads(t)
		helper := lbtest.StartHelper(t, "TestFaultHelper", "LBSYNC_TEST_DIR="+r.dir, "LBSYNC_TEST_PORT="+r.port,
			"LBSYNC_TEST_PLACE="+string(place), "LBSYNC_TEST_ONE="+r.backends["one"].Addr, "LBSYNC_TEST_FE="+r.backends[in].Addr)
		helper.AwaitPlace(t)
		helper.Kill(t)
		left := readFile(t, r.config)
		r.wantChecked(t)

		began := time.Now()
		stop := r.start(t)
		r.serves(t, "one", in)
		took = append(took, time.Since(began))
		r.converged(t, "one", in)
		stop()
		if after := readFile(t, r.config); left != before && left != after {
			t.Errorf("the file was\n%s\nthen\n%s\nand is\n%s", before, left, after)
		}
		if n := r.reloads(t) - reloads; n > limit {
			t.Errorf("%d reloads", n)
		}
	}
	for _, place := range lbtest.Places() {
		t.Run(string(place), func(t *testing.T) { kill(t, place, true) })
		if place != lbtest.BeforeReload && place != lbtest.AfterReload && place != lbtest.BeforeSave {
			t.Run(string(place)+" of servers alone", func(t *testing.T) { kill(t, place, false) })
		}
	}
	// A machine that is busy with other tests says nothing about lbsync.
	if slices.Sort(took); took[len(took)/2] > 3*time.Second {
		t.Errorf("the right servers after %v", took)
	}
}

// A second lbsync, in this process or in another one, is refused as long as the first lives, and no longer.
func TestFaultTwoLbsyncs(t *testing.T) {
	t.Parallel()
	r := newFaultRig(t)
	r.register("one")
	helper := lbtest.StartHelper(t, "TestFaultHelper", "LBSYNC_TEST_DIR="+r.dir, "LBSYNC_TEST_PORT="+r.port,
		"LBSYNC_TEST_PLACE="+string(lbtest.AfterStage), "LBSYNC_TEST_ONE="+r.backends["one"].Addr)
	helper.AwaitPlace(t)
	wantLocked := func() {
		t.Helper()
		for name, err := range map[string]error{"run": r.new(t).Run(t.Context()), "once": r.new(t).Once(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), lbsync.ErrLocked.Error()) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantLocked()
	helper.Kill(t)
	stop := r.start(t)
	r.converged(t, "one")
	wantLocked()
	stop()
	if err := r.new(t).Once(t.Context()); err != nil {
		t.Error(err)
	}
}
