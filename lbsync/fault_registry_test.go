package lbsync_test

import (
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
	"rollcall/registry"
)

const (
	// soon is for a change to arrive when the registry is well again. The longest pause between two requests is 0.3 s
	// here; the rest is for a busy machine.
	soon = 5 * time.Second
	// soonAfterSilence is the same where a request may still wait for an answer that will never come: 5 s.
	soonAfterSilence = soon + 5*time.Second
)

// sickCase is a sickness of the registry and what can be seen of it.
type sickCase struct {
	sickness lbtest.Sickness
	spoiled  int // how many answers are spoiled before the registry gets well
	// unreachable tells that lbsync must call the registry that meanwhile.
	unreachable bool
	// lists tells that listings go on. They would show a removal, and the registry refuses to tell its reason.
	lists bool
	limit time.Duration
}

var sickCases = map[string]sickCase{
	"slow":          {lbtest.Slow, 2, false, false, soon + 2*lbtest.SlowAnswer},
	"half-open":     {lbtest.HalfOpen, 1, true, false, soonAfterSilence},
	"silent watch":  {lbtest.SilentWatch, 1, false, false, soon + 3*time.Second}, // The next listing.
	"stalls":        {lbtest.StallsInBody, 2, true, false, soonAfterSilence},
	"500":           {lbtest.InternalError, 5, true, false, soon},
	"502 page":      {lbtest.BadGateway, 5, true, false, soon},
	"503 not ready": {lbtest.NotReady, 5, true, false, soon},
	"404 page":      {lbtest.NotFoundPage, 5, true, false, soon},
	"cut off":       {lbtest.CutOff, 5, true, false, soon},
	"cut short":     {lbtest.CutShort, 5, true, false, soon},
	"index cleared": {lbtest.IndexCleared, 5, false, true, soon},
}

// Whatever ails the registry, HAProxy loses no server that is registered and no request; and when the registry is well
// again, what was put and deleted meanwhile and what comes then arrives soon.
func TestSickRegistry(t *testing.T) {
	for name, tt := range sickCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.register(t, "one", "two")
			s.start(t)
			s.serves(t, s.haproxyPort, soon, "one", "two")
			s.inSync(t)
			load := lbtest.StartLoad(t, s.haproxyPort, 60)
			s.fallIll(t, tt)
			s.getWell(t, tt)
			if failed := load.Stop(); len(failed) > 0 || load.Done() == 0 {
				t.Errorf("%d of %d requests failed: %v", len(failed), load.Done(), failed)
			}
		})
	}
}

// fallIll makes the registry sick, and looks at what lbsync and HAProxy do meanwhile.
func (s *site) fallIll(t *testing.T, tt sickCase) {
	t.Helper()
	s.registry.Set(tt.sickness)
	s.register(t, "three")
	known := len(s.relay.Commands())
	lbtest.Eventually(t, 15*time.Second, "the sickness is felt", func() bool {
		return s.registry.Spoiled() >= tt.spoiled && (!tt.unreachable || !s.syncer.Stats().Registry.Reachable)
	})
	s.loses(t, known)
}

// loses fails the test when a command since the known ones has taken a server out, or one of those that were there gets
// no traffic.
func (s *site) loses(t *testing.T, known int) {
	t.Helper()
	for _, command := range s.relay.Commands()[known:] {
		if strings.Contains(command, "state maint") || strings.HasPrefix(command, "del server") || strings.Contains(command, "weight 0") {
			t.Errorf("while the registry was sick lbsync said %q", command)
		}
	}
	seen := lbtest.Answers(t.Context(), s.haproxyPort, 12)
	if seen["one"] == 0 || seen["two"] == 0 {
		t.Errorf("requests were answered by %v", seen)
	}
}

// getWell ends the sickness, with changes before, in and after that moment.
func (s *site) getWell(t *testing.T, tt sickCase) {
	t.Helper()
	if tt.lists {
		s.registry.Set(lbtest.Healthy)
		s.unregister(t, "two")
	} else {
		s.unregister(t, "two")
		s.registry.Set(lbtest.Healthy)
	}
	took := s.serves(t, s.haproxyPort, tt.limit, "one", "three")
	t.Logf("what had changed meanwhile arrived after %v", took)
	s.register(t, "two")
	s.unregister(t, "one")
	took = s.serves(t, s.haproxyPort, tt.limit, "two", "three")
	t.Logf("what changed then arrived after %v", took)
	if stats := s.syncer.Stats(); !stats.Registry.Reachable || stats.Services[0].Preserving {
		t.Errorf("in the end: %+v", stats)
	}
}

// A removal that only a listing shows, while the registry tells no reason, is held; and when the registry tells it in the
// end, it passes.
func TestReasonOfARemovalComesLate(t *testing.T) {
	for name, sickness := range map[string]lbtest.Sickness{"silent watch": lbtest.SilentWatch, "slow": lbtest.Slow} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.timing.Relist = time.Second
			s.register(t, "one", "two", "three")
			s.start(t)
			s.serves(t, s.haproxyPort, soon, "one", "two", "three")
			s.registry.Set(sickness)
			s.unregister(t, "two")
			lbtest.Eventually(t, 15*time.Second, "two is held", func() bool { return s.syncer.Stats().Services[0].Preserving })
			s.serves(t, s.haproxyPort, soon, "one", "two", "three")
			s.registry.Set(lbtest.Healthy)
			s.serves(t, s.haproxyPort, soonAfterSilence, "one", "three")
		})
	}
}

// The registry is restarted without its data and with other indexes, lower and higher ones. Nothing leaves while hosts come
// back one by one, and then changes pass as before.
func TestRegistryReplacedByAnEmptyOne(t *testing.T) {
	high := registry.New(registry.Options{}).Index() + 1e12
	for name, after := range map[string]struct{ first, second uint64 }{"lower index": {high, 0}, "higher index": {0, high}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.registry.Replace(newRegistryAt(t, after.first))
			s.register(t, "one", "two")
			s.start(t)
			s.serves(t, s.haproxyPort, soon, "one", "two")
			s.inSync(t)
			load := lbtest.StartLoad(t, s.haproxyPort, 60)
			known := len(s.relay.Commands())
			s.registry.Replace(newRegistryAt(t, after.second))
			lbtest.Eventually(t, soon, "both are held", func() bool { return s.held() == 2 })
			s.register(t, "one")
			lbtest.Eventually(t, soon, "one is listed", func() bool { return s.held() == 1 })
			s.loses(t, known)
			s.register(t, "two", "three")
			s.serves(t, s.haproxyPort, soon, "one", "two", "three")
			s.loses(t, known)
			s.unregister(t, "one")
			s.serves(t, s.haproxyPort, soon, "two", "three")
			if failed := load.Stop(); len(failed) > 0 {
				t.Errorf("%d of %d requests failed: %v", len(failed), load.Done(), failed)
			}
		})
	}
}

// held counts the hosts that are in the pool against the registry.
func (s *site) held() int { return s.syncer.Stats().Services[0].Hosts[lbsync.VerdictHeld] }
