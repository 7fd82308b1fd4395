package lbsync_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// settled is a site with three servers whose HAProxy is not looked at without a reason.
func settled(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.timing.Drift, s.timing.Relist = time.Minute, time.Minute
	s.register(t, "one", "two")
	s.start(t)
	s.serves(t, s.haproxyPort, soon, "one", "two")
	s.register(t, "three") // The round after a reload may look more often.
	s.serves(t, s.haproxyPort, soon, "one", "two", "three")
	s.inSync(t)
	s.looksDone(t)
	return s
}

// looksDone waits until lbsync has nothing more to say to HAProxy.
func (s *site) looksDone(t *testing.T) {
	t.Helper()
	said, since := 0, time.Now()
	lbtest.Eventually(t, 10*time.Second, "lbsync is silent for half a second", func() bool {
		if now := len(s.relay.Commands()); now != said {
			said, since = now, time.Now()
		}
		return time.Since(since) > 500*time.Millisecond
	})
}

// A change of a worker that was seen a moment ago is made at once, and looked at once: with thousands of servers a look takes
// longer than a change.
func TestOneLookForOneChange(t *testing.T) {
	s := settled(t)
	weight, stat := `{"addr":"`+s.backends["two"].Addr+`","weight":7}`, 0
	before := len(s.relay.Commands())
	s.put(t, "two", weight)
	lbtest.Eventually(t, soon, "the weight is set", func() bool { return len(s.relay.Commands()) > before })
	s.looksDone(t)
	said := s.relay.Commands()[before:]
	for _, command := range said {
		if command == "show stat\n" {
			stat++
		}
	}
	if !strings.HasSuffix(said[0], " weight 7\n") || stat != 1 {
		t.Errorf("lbsync said %q", said)
	}
}

// What somebody has done to the worker meanwhile is seen afterwards, and costs no reload.
func TestWorkerHasChangedSinceItWasSeen(t *testing.T) {
	s := settled(t)
	reloads := s.syncer.Stats().Targets[0].Reloads["success"]
	for _, name := range []string{"one", "two"} {
		server := "frontends/s_" + strings.ReplaceAll(s.backends[name].Addr, ":", "_")
		s.tell(t, "set server "+server+" state maint")
		s.tell(t, "del server "+server)
	}
	s.serves(t, s.haproxyPort, soon, "three")
	s.unregister(t, "one") // HAProxy has no such server any more.
	s.serves(t, s.haproxyPort, soon, "two", "three")
	s.inSync(t)
	stats := s.syncer.Stats().Targets[0]
	if stats.Reloads["success"] != reloads || stats.Reloads["failure"] != 0 {
		t.Errorf("reloads: %v", stats.Reloads)
	}
	if !slices.ContainsFunc(s.relay.Commands(), func(c string) bool { return strings.Contains(c, s.backends["two"].Addr) }) {
		t.Error("two was not added again")
	}
}

// tell gives HAProxy a command by its own socket.
func (s *site) tell(t *testing.T, command string) {
	t.Helper()
	conn, err := net.Dial("unix", s.path("h/own.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(command + "\n")); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 256)
	n, _ := conn.Read(reply) // The end without an answer is one.
	if text := strings.TrimSpace(string(reply[:n])); text != "" && text != "Server deleted." {
		t.Fatalf("%s: %s", command, text)
	}
}
