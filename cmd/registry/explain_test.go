package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
)

// fakeState is an lbsync that knows what the test says.
type fakeState struct {
	stats  lbsync.Stats
	status lbsync.Status
	pools  []lbsync.Pool
	known  bool
	held   map[string]int // by service
}

func (f fakeState) Stats() lbsync.Stats          { return f.stats }
func (f fakeState) Status() lbsync.Status        { return f.status }
func (f fakeState) Pools() ([]lbsync.Pool, bool) { return f.pools, f.known }
func (f fakeState) Release(s string) (int, error) {
	n, ok := f.held[s]
	if !ok {
		return 0, errors.New("no such service")
	}
	return n, nil
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// someStatus is that of an lbsync with two services, a HAProxy in sync and an nginx that is not.
func someStatus() lbsync.Status {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return lbsync.Status{
		Name: "lb1", Time: now,
		Services: []lbsync.ServiceStatus{
			{Name: "api", Prefix: "/api", LastContact: now.Add(-5 * time.Minute), Hosts: []lbsync.HostStatus{
				{Key: "fe1", Addr: addrPort("10.0.1.1:81"), Verdict: lbsync.VerdictIn, Reason: "as the registry says", Since: now.Add(-72 * time.Hour)},
			}},
			{
				Name: "frontends", Prefix: "/frontends", Reachable: true, LastContact: now, Index: 7,
				Preserving: "4 of 5 hosts expired within 10s",
				Hosts: []lbsync.HostStatus{
					{Key: "fe1", Addr: addrPort("10.0.1.1:8080"), Verdict: lbsync.VerdictHeld, Reason: "expired together with 3 others", Since: now.Add(-12 * time.Second), Until: now.Add(48 * time.Second)},
					{Key: "zone-b/fe2", Addr: addrPort("10.0.1.2:8080"), Verdict: lbsync.VerdictDraining, Reason: "its entry says drain", Since: now.Add(-5 * time.Minute)},
					{Key: "fe\x1b[2J", Verdict: lbsync.VerdictRejected, Reason: "bad_key", Since: now.Add(-3 * time.Hour)},
				},
			},
		},
		Targets: []lbsync.TargetStatus{
			{
				Config: "/etc/haproxy.cfg", Kind: "haproxy", Services: []string{"api", "frontends"}, Applied: "00000000000000aa",
				InSync: true, Since: now.Add(-time.Minute),
				Servers: []lbsync.ServedStatus{
					{Service: "frontends", Addr: addrPort("10.0.1.1:8080"), State: lbsync.Up, Sessions: 3, Health: "up"},
					{Service: "frontends", Addr: addrPort("10.0.1.2:8080"), State: lbsync.Drain, Sessions: 1, Health: "up"},
					{Service: "frontends", Addr: addrPort("10.0.1.9:8080"), State: lbsync.Up, Leaving: true, Sessions: 2},
				},
			},
			{
				Config: "/etc/nginx.conf", Kind: "nginx", Services: []string{"frontends"}, Since: now.Add(-30 * time.Second),
				Step: lbsync.StepReload, Error: "exit status 1\nsome output",
			},
		},
	}
}

// startLbsync serves the state as lbsync does.
func startLbsync(t *testing.T, state lbsyncState) string {
	t.Helper()
	server := httptest.NewServer(lbsyncHandler(state, "v1"))
	t.Cleanup(server.Close)
	return server.URL
}

func TestExplain(t *testing.T) {
	t.Parallel()
	url := startLbsync(t, fakeState{status: someStatus()})
	held := `10.0.1.1:8080 in frontends: held
  key      /frontends/fe1
  why      expired together with 3 others
  since    12s ago (2026-01-02T03:03:53Z)
  until    in 48s (2026-01-02T03:04:53Z)
  note     hosts are held: 4 of 5 hosts expired within 10s
  haproxy  /etc/haproxy.cfg: up, 3 sessions, health up; in sync for 60s
  nginx    /etc/nginx.conf: does not tell; serves what its file says; not in sync for 30s: reload: exit status 1
`
	api := `10.0.1.1:81 in api: in
  key      /api/fe1
  why      as the registry says
  since    3d ago (2025-12-30T03:04:05Z)
  note     the registry: away for 5m
  haproxy  /etc/haproxy.cfg: does not have it; in sync for 60s
`
	for name, tt := range map[string]struct{ host, want string }{
		"address":         {"10.0.1.1:8080", held},
		"mapped address":  {"[::ffff:10.0.1.1]:8080", held},
		"absolute key":    {"/frontends/fe1", held},
		"ip of two":       {"10.0.1.1", api + "\n" + held},
		"relative key":    {"fe1", api + "\n" + held},
		"a balancer only": {"10.0.1.9", "10.0.1.9:8080 in frontends: unknown\n  key      -\n  why      the service does not know it; a balancer still has it\n" + "  note     hosts are held: 4 of 5 hosts expired within 10s\n  haproxy  /etc/haproxy.cfg: leaving, 2 sessions, health unknown; in sync for 60s\n  nginx    /etc/nginx.conf: does not tell; serves what its file says; not in sync for 30s: reload: exit status 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runCommand(t.Context(), testEnv([]string{"lbsync", "explain", tt.host, "--status", url}))
			if diff := cmp.Diff(tt.want, got.stdout); diff != "" || got.code != 0 {
				t.Errorf("exit code %d, stderr %q, -want +got:\n%s", got.code, got.stderr, diff)
			}
		})
	}
}

// What hosts write into the registry reaches no terminal as a command.
func TestExplainIsPrintable(t *testing.T) {
	t.Parallel()
	url := startLbsync(t, fakeState{status: someStatus()})
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "explain", "fe\x1b[2J", "--status", url}))
	if got.code != 0 || strings.Contains(got.stdout, "\x1b") || !strings.HasPrefix(got.stdout, "/frontends/fe?[2J in frontends: rejected\n") {
		t.Errorf("%+v", got)
	}
}

func TestExplainJSON(t *testing.T) {
	t.Parallel()
	url := startLbsync(t, fakeState{status: someStatus()})
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "explain", "zone-b/fe2", "--output", "json"}, "ROLLCALL_STATUS="+url))
	var found []explanation
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || len(found) != 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	e := found[0]
	if e.Key != "/frontends/zone-b/fe2" || e.Verdict != lbsync.VerdictDraining || len(e.Balancers) != 2 ||
		e.Balancers[0].Server.Sessions != 1 || !e.Balancers[1].Silent {
		t.Errorf("%+v", e)
	}
}

func TestExplainFails(t *testing.T) {
	t.Parallel()
	url := startLbsync(t, fakeState{status: someStatus()})
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for name, tt := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"unknown":        {[]string{"explain", "10.9.9.9", "--status", url}, exitFailure, "10.9.9.9: no service and no balancer of this lbsync knows it"},
		"no host":        {[]string{"explain"}, exitFailure, "host required"},
		"two hosts":      {[]string{"explain", "a", "b"}, exitFailure, `unexpected argument "b"`},
		"no such format": {[]string{"explain", "a", "--output", "xml", "--status", url}, exitFailure, "must be text or json"},
		"nobody listens": {[]string{"explain", "a", "--status", "127.0.0.1:1"}, exitUnavailable, "lbsync does not answer at http://127.0.0.1:1: "},
		"another server": {[]string{"status", "--status", other.URL}, exitRefused, "404 page not found"},
		"status args":    {[]string{"status", "x"}, exitFailure, `unexpected argument "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			got := runCommand(t.Context(), testEnv(append([]string{"lbsync"}, tt.args...)))
			if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) || got.stdout != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestLbsyncStatusTable(t *testing.T) {
	t.Parallel()
	url := startLbsync(t, fakeState{status: someStatus()})
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "status", "--status", url}))
	want := `SERVICE    PREFIX      IN  HELD  DRAINING  DOWN  DAMPED  REJECTED  OUT  FALLBACK  REGISTRY     NOTE
api        /api        1   0     0         0     0       0         0    0         away for 5m  -
frontends  /frontends  0   1     1         0     0       1         0    0         ok           4 of 5 hosts expired within 10s

KIND     CONFIG            SERVICES       SERVERS  RUNS              STATE
haproxy  /etc/haproxy.cfg  api,frontends  3        00000000000000aa  in sync for 60s
nginx    /etc/nginx.conf   frontends      -        -                 not in sync for 30s: reload: exit status 1
`
	if diff := cmp.Diff(want, got.stdout); diff != "" || got.code != 0 {
		t.Errorf("exit code %d, stderr %q, -want +got:\n%s", got.code, got.stderr, diff)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	url := startLbsync(t, fakeState{held: map[string]int{"frontends": 3, "api": 1}})
	for name, tt := range map[string]struct {
		args []string
		want outcome
	}{
		"three":   {[]string{"frontends"}, outcome{stdout: "frontends: 3 hosts released\n"}},
		"one":     {[]string{"api"}, outcome{stdout: "api: 1 host released\n"}},
		"unknown": {[]string{"no/ne"}, outcome{code: exitRefused, stderr: "Error:  lbsync at " + url + ": release \"no/ne\": no such service\n"}},
		"none":    {nil, outcome{code: exitFailure, stderr: "Error:  service required\nRun 'registry lbsync release --help' for usage.\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := runCommand(t.Context(), testEnv(append([]string{"lbsync", "release", "--status", url}, tt.args...)))
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// Subcommands take nothing from `registry lbsync` itself.
func TestLbsyncKeepsItsFlags(t *testing.T) {
	t.Parallel()
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "--config", "/none/lbsync.yaml"}))
	if got.code != exitFailure || !strings.Contains(got.stderr, "/none/lbsync.yaml") {
		t.Errorf("%+v", got)
	}
	got = runCommand(t.Context(), testEnv([]string{"lbsync", "explane"}))
	if got.code != exitFailure || !strings.Contains(got.stderr, `unexpected argument "explane"`) {
		t.Errorf("%+v", got)
	}
}
