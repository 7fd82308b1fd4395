package lbsync_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

func TestNothingIsWrittenBeforeTheFirstServer(t *testing.T) {
	r := newRig(t, "a")
	if err := r.once(t); !errors.Is(err, lbsync.ErrNoServers) {
		t.Errorf("got %v", err)
	}
	if r.file(t) != "" || r.reloads() != 0 {
		t.Error("something was written or loaded")
	}
	if !r.log.Has("waiting for the first server") {
		t.Error("the log does not say what it waits for")
	}
}

func TestEqualIsNotWrittenAgain(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\n")
	for range 20 { // Heartbeats of a server that tells of them.
		r.registry.Set("/a", "fe1", "10.0.1.1")
	}
	lists := r.registry.Lists()
	lbtest.Eventually(t, 5*time.Second, "some relists", func() bool { return r.registry.Lists() > lists+10 })
	if n := r.reloads(); n != 1 {
		t.Errorf("%d reloads", n)
	}
}

// The file is what it should be, but nobody knows whether the balancer has loaded it.
func TestStartReloadsOnce(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.write(t, "a: s_10.0.1.1_80\n")
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\n")
	lists := r.registry.Lists()
	lbtest.Eventually(t, 5*time.Second, "some relists", func() bool { return r.registry.Lists() > lists+5 })
	if n := r.reloads(); n != 1 {
		t.Errorf("%d reloads", n)
	}
}

func TestFileChangedByHandIsRepaired(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\n")
	r.write(t, "by hand\n")
	lbtest.Eventually(t, 5*time.Second, "the file is right", func() bool { return r.file(t) == "a: s_10.0.1.1_80\n" })
}

func TestBadCandidateNeverReplacesTheFile(t *testing.T) {
	for _, step := range []lbsync.Step{lbsync.StepRender, lbsync.StepCheck} {
		t.Run(string(step), func(t *testing.T) {
			r := newRig(t, "a")
			r.write(t, "old\n")
			r.breakAt(step, errBroken)
			r.registry.Set("/a", "fe1", "10.0.1.1")
			r.start(t)
			r.fails(t, step, 3)
			if r.file(t) != "old\n" || r.reloads() != 0 {
				t.Error("the file was replaced or loaded")
			}
			r.breakAt(step, nil)
			r.runs(t, "a: s_10.0.1.1_80\n")
		})
	}
}

func TestFailureAfterReplacingPutsTheGoodFileBack(t *testing.T) {
	for step, counted := range map[lbsync.Step]lbsync.Step{
		"live": lbsync.StepCheck, lbsync.StepReload: lbsync.StepReload, lbsync.StepVerify: lbsync.StepVerify,
	} {
		t.Run(string(step), func(t *testing.T) {
			r := newRig(t, "a")
			r.registry.Set("/a", "fe1", "10.0.1.1")
			r.start(t)
			good, next := "a: s_10.0.1.1_80\n", "a: s_10.0.1.1_80 s_10.0.1.2_80\n"
			r.runs(t, good)
			r.breakAt(step, errBroken)
			r.registry.Set("/a", "fe2", "10.0.1.2")
			r.fails(t, counted, 3)
			lbtest.Eventually(t, time.Second, "the good file is back", func() bool { return r.file(t) == good })
			lbtest.Eventually(t, time.Second, "the good file runs", func() bool { return r.now() == good })
			if r.target().InSync {
				t.Error("in sync")
			}
			r.breakAt(step, nil)
			r.runs(t, next)
			lbtest.Eventually(t, time.Second, "in sync", func() bool { return r.target().InSync && r.file(t) == next })
		})
	}
}

// A balancer that is not running yet cannot reload; what it starts with must be there.
func TestFirstFileStaysAfterAFailedReload(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.breakAt(lbsync.StepReload, errBroken)
	if err := r.once(t); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if r.file(t) != "a: s_10.0.1.1_80\n" {
		t.Error("the file is gone")
	}
}

func TestFirstFileGoesWhenItBreaksTheTree(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.breakAt("live", errBroken)
	if err := r.once(t); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if r.file(t) != "" {
		t.Error("the file is still there")
	}
}

func TestFileCannotBeWritten(t *testing.T) {
	r := newRig(t, "a")
	r.path = filepath.Join(r.path, "no", "such", "directory.cfg")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.start(t)
	r.fails(t, lbsync.StepWrite, 2)
	if r.reloads() != 0 {
		t.Error("loaded")
	}
}

// The last change of a burst counts, however many are left out before it.
func TestBurstIsCoalescedAndNothingIsLost(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "fe", "10.0.1.1")
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\n")
	for i := range 500 {
		r.registry.Set("/a", "fe", fmt.Sprintf("10.0.2.%d", i%250+1))
	}
	r.registry.Set("/a", "fe", "10.0.3.3")
	r.runs(t, "a: s_10.0.3.3_80\n")
	if n := r.reloads(); n > 50 {
		t.Errorf("%d reloads for one burst", n)
	}
}

func TestPoolIsNeverEmptied(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	stop := r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\n")
	r.registry.Set("/a", "fe1", "not an address")
	lbtest.Eventually(t, 5*time.Second, "held", func() bool { return r.held() == 1 })
	r.registry.Delete("/a", "fe1")
	lists := r.registry.Lists()
	lbtest.Eventually(t, 5*time.Second, "some relists", func() bool { return r.registry.Lists() > lists+5 })
	if r.reloads() != 1 || r.file(t) != "a: s_10.0.1.1_80\n" {
		t.Error("the balancer has changed")
	}
	if !r.log.Has("loss protection", "servers=1") {
		t.Error("the log is silent")
	}
	stop()

	// A new process knows nothing, and the registry has nothing to say: the pool is remembered.
	r.start(t)
	lbtest.Eventually(t, 5*time.Second, "held", func() bool { return r.held() == 1 })
	if r.file(t) != "a: s_10.0.1.1_80\n" {
		t.Error("the balancer has changed after a restart")
	}
	r.registry.Set("/a", "fe2", "10.0.1.2")
	r.runs(t, "a: s_10.0.1.2_80\n")
}

// What the registry's history tells about the time in which lbsync did not run counts; what nothing tells does not.
func TestRestartLearnsWhatHasHappened(t *testing.T) {
	r := newRig(t, "a")
	for _, fe := range []string{"1", "2", "3"} {
		r.registry.Set("/a", "fe"+fe, "10.0.1."+fe)
	}
	stop := r.start(t)
	r.runs(t, "a: s_10.0.1.1_80 s_10.0.1.2_80 s_10.0.1.3_80\n")
	lbtest.Eventually(t, 5*time.Second, "in sync", func() bool { return r.target().InSync })
	stop()
	r.registry.Delete("/a", "fe2")
	r.registry.Set("/a", "fe3", "10.0.1.4")
	stop = r.start(t)
	r.runs(t, "a: s_10.0.1.1_80 s_10.0.1.4_80\n")
	lbtest.Eventually(t, 5*time.Second, "in sync", func() bool { return r.target().InSync })
	stop()

	r.registry.Forget("/a")
	r.registry.Set("/a", "fe5", "10.0.1.5")
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80 s_10.0.1.4_80 s_10.0.1.5_80\n")
	if n, err := r.syncer.Release("a"); n != 2 || err != nil {
		t.Errorf("released %d, %v", n, err)
	}
	r.runs(t, "a: s_10.0.1.5_80\n")
	if _, err := r.syncer.Release("x"); !errors.Is(err, lbsync.ErrUnknownService) {
		t.Errorf("an unknown service: %v", err)
	}
}

// A check may take long; what a running balancer takes by command does not wait for it.
func TestSlowCheckHoldsNoCommandsBack(t *testing.T) {
	r := newRig(t, "a")
	r.hot, r.slow = true, make(chan struct{})
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\n")
	for i := range 5 {
		r.registry.Set("/a", "fe1", fmt.Sprintf("10.0.2.%d", i+1))
		r.runs(t, fmt.Sprintf("a: s_10.0.2.%d_80\n", i+1))
	}
	if r.file(t) != "" || r.checks() != 1 {
		t.Errorf("%d checks at a time, the file is %q", r.checks(), r.file(t))
	}
	close(r.slow)
	lbtest.Eventually(t, 5*time.Second, "the file is right", func() bool {
		return r.file(t) == "a: s_10.0.2.5_80\n" && r.target().InSync
	})
	if r.attempts() != 0 {
		t.Error("reloaded")
	}
}

// Stopping does not wait for a check, and leaves no candidate behind.
func TestStopDuringACheck(t *testing.T) {
	r := newRig(t, "a")
	r.hot, r.slow = true, make(chan struct{})
	r.registry.Set("/a", "fe1", "10.0.1.1")
	stop := r.start(t)
	lbtest.Eventually(t, 5*time.Second, "a check goes on", func() bool { return r.checks() == 1 })
	close(r.slow) // This checker does not mind being stopped.
	stop()
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.path), ".balancer.cfg.rollcall-new")); !os.IsNotExist(err) {
		t.Errorf("the candidate: %v", err)
	}
}

// A reload that is refused is not tried for every change, as long as changes arrive without it.
func TestRefusedReloadIsPutOff(t *testing.T) {
	r := newRig(t, "a")
	r.hot, r.reload = true, "another structure"
	r.breakAt(lbsync.StepReload, errBroken)
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.start(t)
	r.fails(t, lbsync.StepReload, 1)
	for i := range 100 {
		r.registry.Set("/a", "fe1", fmt.Sprintf("10.0.2.%d", i+1))
		r.runs(t, fmt.Sprintf("a: s_10.0.2.%d_80\n", i+1))
	}
	if n := r.attempts(); n > 12 { // 5 ms, 10 ms, 20 ms, ...
		t.Errorf("%d reloads for 100 changes", n)
	}
	r.breakAt(lbsync.StepReload, nil)
	r.want("")
	lbtest.Eventually(t, 30*time.Second, "in sync", func() bool { return r.target().InSync })
}

func TestEmptyServiceDoesNotKeepTheOthers(t *testing.T) {
	r := newRig(t, "a", "b")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\nb:\n")
}

func TestRestartRemembersAServiceThatTheRegistryHasLost(t *testing.T) {
	r := newRig(t, "a", "b")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.registry.Set("/b", "fe1", "10.0.2.1")
	if err := r.once(t); err != nil {
		t.Fatal(err)
	}
	r.registry.Delete("/b", "fe1")
	r.registry.Set("/a", "fe2", "10.0.1.2")
	if err := r.once(t); err != nil {
		t.Fatal(err)
	}
	if want := "a: s_10.0.1.1_80 s_10.0.1.2_80\nb: s_10.0.2.1_80\n"; r.now() != want {
		t.Errorf("runs %q", r.now())
	}
}

func TestServiceThatCannotBeListedDoesNotKeepTheOthers(t *testing.T) {
	r := newRig(t, "a", "b")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.registry.Set("/b", "fe1", "10.0.2.1")
	r.registry.Fail("/b", errBroken)
	r.start(t)
	r.runs(t, "a: s_10.0.1.1_80\nb:\n")
	r.registry.Fail("/b", nil)
	r.runs(t, "a: s_10.0.1.1_80\nb: s_10.0.2.1_80\n")
	r.registry.Fail("/b", errBroken)
	r.registry.Set("/a", "fe2", "10.0.1.2")
	r.runs(t, "a: s_10.0.1.1_80 s_10.0.1.2_80\nb: s_10.0.2.1_80\n")
}

func TestNothingHappensWhileTheRegistryIsDown(t *testing.T) {
	r := newRig(t, "a")
	r.write(t, "old\n")
	r.registry.Fail("/a", errBroken)
	if err := r.once(t); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if r.file(t) != "old\n" || r.reloads() != 0 {
		t.Error("the balancer has changed")
	}
	if r.syncer.Stats().Registry.Reachable {
		t.Error("stats call the registry reachable")
	}
}

func TestSymbolicLinkStays(t *testing.T) {
	r := newRig(t, "a")
	link := r.path + ".link"
	if err := os.Symlink(r.path, link); err != nil {
		t.Fatal(err)
	}
	r.write(t, "old\n")
	r.path = link
	r.registry.Set("/a", "fe1", "10.0.1.1")
	if err := r.once(t); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", info, err)
	}
	if info, err = os.Stat(link); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode became %v, %v", info, err)
	}
}

// resolver answers as a test wants it.
type resolver struct {
	down atomic.Bool
}

func (r *resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if r.down.Load() || host != "fe1.example" {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr("10.0.9.2"), netip.MustParseAddr("10.0.9.1")}, nil
}

func TestHostNamesBecomeAddresses(t *testing.T) {
	r := newRig(t, "a")
	names := &resolver{}
	r.resolver = names
	r.registry.Set("/a", "fe1", "fe1.example")
	r.registry.Set("/a", "fe2", "fe2.example:81")
	r.registry.Set("/a", "fe3", "10.0.1.3")
	r.start(t)
	r.runs(t, "a: s_10.0.1.3_80 s_10.0.9.1_80\n")
	if n := r.syncer.Stats().Services[0].Rejected[lbsync.ReasonHost]; n != 1 {
		t.Errorf("%d unresolvable hosts", n)
	}
	names.down.Store(true)
	r.registry.Set("/a", "fe4", "10.0.1.4")
	r.runs(t, "a: s_10.0.1.3_80 s_10.0.1.4_80 s_10.0.9.1_80\n")
}

func TestUnknownServiceOfATarget(t *testing.T) {
	_, err := lbsync.New(&lbsync.Config{}, lbsync.Options{
		Targets: []lbsync.Target{{Config: "x", Services: []string{"a"}, Driver: &balancer{}}}, Source: &lbtest.Registry{},
	})
	if err == nil {
		t.Error("accepted")
	}
}
