package lbsync_test

import (
	"syscall"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// inTime is for HAProxy to serve a change while nginx is out of order. It takes some 20 ms on an idle machine, and less than
// anything that lbsync waits for from nginx.
const inTime = 3 * time.Second

// One lbsync keeps both balancers, and nginx gets out of order in some way: HAProxy has every change in time and fails no
// request, and nginx has the state when it is back.
func TestDeadNginxBesideALivingHAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		fail, heal func(*testing.T, *site)
		step       lbsync.Step // where nginx's rounds fail
		serves     bool        // whether nginx goes on serving what it had
	}{
		"killed": {
			fail: func(t *testing.T, s *site) { t.Helper(); s.nginx.Kill(t) },
			heal: func(t *testing.T, s *site) { t.Helper(); s.startNginx(t) },
			step: lbsync.StepReload,
		},
		"check fails": {
			fail: func(t *testing.T, s *site) { t.Helper(); s.write(t, "mode", "fail") },
			heal: func(t *testing.T, s *site) { t.Helper(); s.write(t, "mode", "") },
			step: lbsync.StepCheck, serves: true,
		},
		"frozen": {
			fail: func(t *testing.T, s *site) { t.Helper(); s.nginx.Signal(t, syscall.SIGSTOP) },
			heal: func(t *testing.T, s *site) { t.Helper(); s.nginx.Signal(t, syscall.SIGCONT) },
			step: lbsync.StepVerify,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.addNginx(t)
			s.register(t, "one", "two")
			s.start(t)
			s.both(t, "one", "two")
			s.inSync(t)
			load := lbtest.StartLoad(t, s.haproxyPort, 60)
			tt.fail(t, s)
			s.register(t, "three")
			s.serves(t, s.haproxyPort, inTime, "one", "two", "three")
			lbtest.Eventually(t, 15*time.Second, "nginx's rounds fail", func() bool {
				return s.syncer.Stats().Targets[1].Failures[tt.step] >= 1
			})
			s.unregister(t, "one")
			s.serves(t, s.haproxyPort, inTime, "two", "three")
			if tt.serves && !lbtest.Only(t.Context(), s.nginxPort, "one", "two") {
				t.Error("nginx does not serve what it had")
			}
			if targets := s.syncer.Stats().Targets; !targets[0].InSync || targets[1].InSync {
				t.Errorf("meanwhile: %+v", targets)
			}
			tt.heal(t, s)
			took := s.serves(t, s.nginxPort, 15*time.Second, "two", "three")
			t.Logf("nginx had the state after %v", took)
			s.inSync(t)
			s.register(t, "one")
			s.both(t, "one", "two", "three")
			if failed := load.Stop(); len(failed) > 0 || load.Done() == 0 {
				t.Errorf("%d of %d requests to HAProxy failed: %v", len(failed), load.Done(), failed)
			}
			for step, n := range s.syncer.Stats().Targets[0].Failures {
				if n > 0 {
					t.Errorf("HAProxy: %d failures to %s", n, step)
				}
			}
		})
	}
}
