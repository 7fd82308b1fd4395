package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
	"rollcall/registry/client"
	"rollcall/registry/httpapi/difftest"
)

// A fleet is a node and balancers whose reports the test writes by hand.
type fleet struct {
	t   *testing.T
	url string
	*client.Client
}

func newFleet(t *testing.T) fleet {
	t.Helper()
	n, _ := runNode(t, nodeConfig{name: "n1"})
	return fleet{t, n.URL(), newTestClient(t, n.URL())}
}

// host is a host of a report: KEY ADDRESS STATE SESSIONS VALUE. The value's hash takes its place.
func host(t *testing.T, text string) lbsync.HostReport {
	t.Helper()
	at := strings.LastIndex(text, " ")
	var h lbsync.HostReport
	if err := h.UnmarshalText([]byte(text[:at] + " " + lbsync.ValueHash(text[at+1:]))); err != nil {
		t.Fatal(err)
	}
	return h
}

// report writes what a balancer says of /frontends.
func (f fleet) report(name string, hosts ...string) {
	f.t.Helper()
	f.reportFor("/frontends", 0, name, hosts...)
}

// reportFor writes what a balancer says of a prefix; a ttl of 0 is none.
func (f fleet) reportFor(prefix string, ttl time.Duration, name string, hosts ...string) {
	f.t.Helper()
	r := lbsync.Report{Version: 1, Name: name, Kind: "haproxy", Config: "/etc/haproxy/haproxy.cfg", Service: "x", Prefix: prefix}
	for _, h := range hosts {
		r.Hosts = append(r.Hosts, host(f.t, h))
	}
	value, err := json.Marshal(r)
	if err != nil {
		f.t.Fatal(err)
	}
	key := lbsync.ReportDir(lbsync.DefaultReport, prefix) + "/" + name + ".0a1b2c3d"
	if _, err := f.Set(f.t.Context(), key, string(value), client.SetOptions{TTL: ttl}); err != nil {
		f.t.Fatal(err)
	}
}

// applied starts `registry applied`.
func (f fleet) applied(args ...string) process {
	f.t.Helper()
	return start(f.t, testEnv(append([]string{"applied", "--endpoints", f.url}, args...)))
}

// notApplied runs it until its time is over, and returns the error.
func (f fleet) notApplied(args ...string) string {
	f.t.Helper()
	got := runCommand(f.t.Context(), testEnv(append([]string{"applied", "--endpoints", f.url, "--timeout", "300ms"}, args...)))
	if got.code != exitTimeout {
		f.t.Errorf("exit code %d, want %d: %s", got.code, exitTimeout, got.stderr)
	}
	return strings.TrimSuffix(strings.TrimPrefix(got.stderr, "Error:  "), "\n")
}

const (
	servedFe1 = "fe1 10.0.1.1:8080 up 2 10.0.1.1:8080"
	otherHost = "fe2 10.0.1.2:8080 up 5 10.0.1.2:8080"
)

func TestAppliedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1, otherHost)
	f.report("lb2", servedFe1)
	p := f.applied("/frontends/fe1")
	p.want(t, "lb1 haproxy.cfg: serves it", "lb2 haproxy.cfg: serves it")
	p.wantCode(t, 0)
	quiet := runCommand(t.Context(), testEnv([]string{"applied", "frontends/fe1", "--quiet", "--endpoints", f.url}))
	if quiet != (outcome{}) {
		t.Errorf("%+v", quiet)
	}
}

// The balancers come to serve the host one by one, and the entry comes late, too.
func TestAppliedWaits(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.report("lb1", otherHost)
	f.report("lb2", otherHost)
	p := f.applied("/frontends/fe1")
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1, otherHost)
	p.want(t, "lb1 haproxy.cfg: serves it")
	f.report("lb2", servedFe1, otherHost)
	p.want(t, "lb2 haproxy.cfg: serves it")
	p.wantCode(t, 0)
}

// A value that changes while one waits is the value to wait for.
func TestAppliedFollowsTheValue(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1)
	f.report("lb2")
	p := f.applied("/frontends/fe1")
	p.want(t, "lb1 haproxy.cfg: serves it")
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:9090")
	f.report("lb2", "fe1 10.0.1.1:9090 up 0 10.0.1.1:9090", "fe1 10.0.1.1:8080 leaving 3 10.0.1.1:8080")
	p.want(t, "lb2 haproxy.cfg: serves it")
	f.report("lb1", "fe1 10.0.1.1:9090 up 0 10.0.1.1:9090")
	p.want(t, "lb1 haproxy.cfg: serves it")
	p.wantCode(t, 0)
}

// A balancer that is gone takes its report along, and nobody waits for it any more.
func TestAppliedForgetsTheDead(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1)
	f.reportFor("/frontends", time.Second, "lb2")
	p := f.applied("/frontends/fe1")
	p.want(t, "lb1 haproxy.cfg: serves it")
	p.wantCode(t, 0)
}

// With --min, balancers that are still to come are waited for.
func TestAppliedWaitsForMore(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1)
	if got := f.notApplied("/frontends/fe1", "--min", "2"); got != "/frontends/fe1 is not served everywhere within 300ms: 1 of 2 balancers report" {
		t.Error(got)
	}
	p := f.applied("/frontends/fe1", "--min", "2")
	p.want(t, "lb1 haproxy.cfg: serves it")
	f.report("lb2", servedFe1)
	p.want(t, "lb2 haproxy.cfg: serves it")
	p.wantCode(t, 0)
}

// A prefix may be any directory above the key; all that have a balancer count.
func TestAppliedFindsPrefixes(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	set(t, f.Client, "/prod/frontends/zone-b/fe1", "10.0.1.1:8080")
	f.reportFor("/prod/frontends/zone-b", 0, "lb1", servedFe1)
	f.reportFor("/prod", 0, "lb2", "frontends/zone-b/fe1 10.0.1.1:8080 up 0 10.0.1.1:8080")
	f.reportFor("/prod:frontends", 0, "lb3") // In the directory of /prod/frontends, and not about it.
	p := f.applied("/prod/frontends/zone-b/fe1", "--min", "2")
	p.want(t, "lb1 haproxy.cfg: serves it", "lb2 haproxy.cfg: serves it")
	p.wantCode(t, 0)
}

func TestGone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1, otherHost)
	f.report("lb2", servedFe1)
	p := f.applied("/frontends/fe1", "--gone")
	remove(t, f.Client, "/frontends/fe1")
	f.report("lb1", "fe1 10.0.1.1:8080 leaving 2 10.0.1.1:8080", otherHost)
	f.report("lb2", otherHost)
	p.want(t, "lb2 haproxy.cfg: does not have it")
	f.report("lb1", "fe1 10.0.1.1:8080 leaving 0 10.0.1.1:8080", otherHost)
	p.want(t, "lb1 haproxy.cfg: has no session with it")
	p.wantCode(t, 0)
}

// An entry that asks for drain need not be removed.
func TestGoneByDrain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const drain = `{"addr":"10.0.1.1","port":8080,"state":"drain"}`
	set(t, f.Client, "/frontends/fe1", drain)
	f.report("lb1", "fe1 10.0.1.1:8080 drain 4 "+drain)
	p := f.applied("/frontends/fe1", "--gone")
	f.report("lb1", "fe1 10.0.1.1:8080 drain 0 "+drain)
	p.want(t, "lb1 haproxy.cfg: has no session with it")
	p.wantCode(t, 0)
}

// A lbsync that has restarted holds the host by its address alone.
func TestGoneByAddress(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	set(t, f.Client, "/frontends/fe1", "fe1.example")
	f.report("lb1", "fe1 10.0.1.1:8080 up 1 fe1.example")
	p := f.applied("/frontends/fe1", "--gone")
	f.report("lb2", "- 10.0.1.1:8080 leaving 0 x") // What it prints shows that the first look is over.
	p.want(t, "lb2 haproxy.cfg: has no session with it")
	remove(t, f.Client, "/frontends/fe1")
	f.report("lb1", "- 10.0.1.1:8080 up 1 x", "- 10.0.1.2:8080 up 7 x", "fe3 10.0.1.1:8080 up 7 x")
	f.report("lb1", "- 10.0.1.1:8080 leaving 0 x", "- 10.0.1.2:8080 up 7 x", "fe3 10.0.1.1:8080 up 7 x")
	p.want(t, "lb1 haproxy.cfg: has no session with it")
	p.wantCode(t, 0)
}

// At the time-out the message says which balancer is missing and why.
func TestAppliedTimeout(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const (
		fe1 = "/frontends/fe1 is not served everywhere within 300ms: "
		no  = "/frontends/fe1 is not gone everywhere within 300ms: "
	)
	steps := []struct {
		name string
		do   func()
		args []string
		want string
	}{
		{"no entry", func() {}, nil, fe1 + "there is no such entry"},
		{"no report", func() { set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080") }, nil, fe1 + "no balancer reports on /frontends"},
		{"no report, deeper", func() { set(t, f.Client, "/a/b/c", "10.0.1.1:8080") }, []string{"/a/b/c"}, "/a/b/c is not served everywhere within 300ms: no balancer reports on /a/b or /a"},
		{"not in the pool", func() { f.report("lb1", otherHost); f.report("lb2", servedFe1) }, nil, fe1 + "lb1 haproxy.cfg: not in its pool"},
		{"older", func() { f.report("lb1", "fe1 10.0.1.1:8080 up 0 10.0.1.1:8081") }, nil, fe1 + "lb1 haproxy.cfg: serves an older value"},
		{"two", func() { f.report("lb2", "fe1 10.0.1.1:8080 drain 0 10.0.1.1:8080") }, nil, fe1 + "lb1 haproxy.cfg: serves an older value; lb2 haproxy.cfg: has it as drain"},
		{"not gone", func() {}, []string{"--gone"}, no + "the entry is still there and asks for traffic; lb1 haproxy.cfg: still serves it"},
		{"sessions", func() { remove(t, f.Client, "/frontends/fe1"); f.report("lb1", "fe1 10.0.1.1:8080 leaving 3 x") }, []string{"--gone"}, no + "lb1 haproxy.cfg: still 3 sessions"},
		{"unusable", func() { set(t, f.Client, "/frontends/fe1", "10.0.1.1:0"); f.report("lb1"); f.report("lb2") }, nil, fe1 + "the entry cannot be used: bad_port; lb1 haproxy.cfg: not in its pool; lb2 haproxy.cfg: not in its pool"},
		{"drain", func() {
			set(t, f.Client, "/frontends/fe1", `{"addr":"10.0.1.1","port":1,"weight":0}`)
			f.report("lb2", `fe1 10.0.1.1:1 drain 0 {"addr":"10.0.1.1","port":1,"weight":0}`)
			remove(t, f.Client, "/_lbsync/frontends/lb1.0a1b2c3d")
		}, nil, fe1 + "the entry asks for drain; lb2 haproxy.cfg: has it as drain"},
		{"broken", func() { set(t, f.Client, "/_lbsync/frontends/lb2.0a1b2c3d", "{") }, nil, fe1 + "the entry asks for drain; lb2.0a1b2c3d: its report cannot be read"},
	}
	for _, step := range steps {
		step.do()
		args := step.args
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			args = append(args, "/frontends/fe1")
		}
		if got := f.notApplied(args...); got != step.want {
			t.Errorf("%s: %s\nwant %s", step.name, got, step.want)
		}
	}
}

func TestAppliedMistakes(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for name, tt := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"no key":        {nil, exitFailure, "key required"},
		"top level":     {[]string{"/fe1"}, exitFailure, "not a key in a directory"},
		"no time":       {[]string{"/a/b", "--timeout", "0s"}, exitFailure, "must be positive"},
		"no balancers":  {[]string{"/a/b", "--min", "0"}, exitFailure, "--min must be 1 or more"},
		"no such place": {[]string{"/a/../b/c", "--timeout", "1ms"}, exitTimeout, "/b/c is not served"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runCommand(t.Context(), testEnv(append([]string{"applied", "--endpoints", f.url}, tt.args...)))
			if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := runCommand(t.Context(), testEnv([]string{"applied", "/a/b", "--endpoints", "http://127.0.0.1:1"})); got.code != exitUnavailable || !strings.Contains(got.stderr, "no registry node answers") {
		t.Errorf("no node: %+v", got)
	}
	set(t, f.Client, "/a/b/c", "1")
	if got := runCommand(t.Context(), testEnv([]string{"applied", "/a/b", "--endpoints", f.url})); got.code != exitFailure || !strings.Contains(got.stderr, "/a/b: is a directory") {
		t.Errorf("a directory: %+v", got)
	}
}

func TestAppliedInterrupted(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.applied("/frontends/fe1")
	p.stop()
	p.wantCode(t, exitInterrupted)
}

// A node that goes away while one waits is not the end; that it is away at the time-out is.
func TestAppliedOutlivesTheNode(t *testing.T) {
	t.Parallel()
	n, stop := runNode(t, nodeConfig{name: "n1"})
	f := fleet{t, n.URL(), newTestClient(t, n.URL())}
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1)
	f.report("lb2")
	p := f.applied("/frontends/fe1", "--timeout", "4s")
	p.want(t, "lb1 haproxy.cfg: serves it")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	p.wantCode(t, exitUnavailable)
}

// Whatever the reports hold, the judgement is one of the words that are told, and an aim is never reached without a report.
func TestJudge(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddrPort("10.0.1.1:8080")
	for name, tt := range map[string]struct {
		gone  bool
		value string
		hosts []string
		want  string
	}{
		"up":                   {false, "v", []string{"fe1 10.0.1.1:8080 up 0 v"}, "+serves it"},
		"up, old":              {false, "v", []string{"fe1 10.0.1.1:8080 up 0 w"}, "-serves an older value"},
		"leaving":              {false, "v", []string{"fe1 10.0.1.1:8080 leaving 0 v"}, "-has it as leaving"},
		"old and new":          {false, "v", []string{"fe1 10.0.1.1:8080 leaving 9 w", "fe1 10.0.1.2:8080 up 0 v"}, "+serves it"},
		"only by address":      {false, "v", []string{"- 10.0.1.1:8080 up 0 v2"}, "-serves an older value"},
		"of another":           {false, "v", []string{"fe2 10.0.1.1:8080 up 0 v"}, "-not in its pool"},
		"gone":                 {true, "", []string{"fe2 10.0.1.1:8080 up 3 v"}, "+does not have it"},
		"held":                 {true, "", []string{"fe1 10.0.1.1:8080 up 0 v"}, "-still serves it"},
		"one of two up":        {true, "", []string{"fe1 10.0.1.2:8080 leaving 0 v", "fe1 10.0.1.1:8080 up 0 v"}, "-still serves it"},
		"sessions":             {true, "", []string{"fe1 10.0.1.1:8080 down 1 v"}, "-still 1 session"},
		"of a state to come":   {true, "", []string{"fe1 10.0.1.1:8080 maint 0 v"}, "-still serves it"},
		"nameless":             {true, "", []string{"- 10.0.1.1:8080 drain 2 v"}, "-still 2 sessions"},
		"nameless, of another": {true, "", []string{"- 10.0.1.9:8080 drain 2 v"}, "+does not have it"},
	} {
		t.Run(name, func(t *testing.T) {
			a := aim{key: "/frontends/fe1", gone: tt.gone, least: 1}
			r := balancerReport{id: "x", Report: lbsync.Report{Prefix: "/frontends/", Name: "lb1", Config: "a.cfg"}}
			for _, h := range tt.hosts {
				r.Hosts = append(r.Hosts, host(t, h))
			}
			got := a.judge(sight{present: true, value: tt.value, reports: []balancerReport{r}}, map[netip.AddrPort]bool{addr: true})
			sign := "-"
			if got[0].done {
				sign = "+"
			}
			if diff := cmp.Diff(tt.want, sign+got[0].words); diff != "" {
				t.Error(diff)
			}
		})
	}
	if a := (aim{key: "/a/b", gone: true, least: 1}); a.done(sight{}, nil) {
		t.Error("done without any report")
	}
}

// Nothing of a wait is left when it is over.
func TestAppliedEndsItsWatches(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	runCommand(ctx, testEnv([]string{"applied", "/frontends/fe1", "--timeout", "100ms", "--endpoints", f.url}))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// It works with etcd as well: reports lie in a hidden directory, and their watches lose their place there more easily.
func TestAppliedWithEtcd(t *testing.T) {
	t.Parallel()
	url := difftest.StartEtcd(t).URL
	f := fleet{t, url, newTestClient(t, url)}
	f.report("lb1", otherHost)
	p := f.applied("/frontends/fe1")
	set(t, f.Client, "/frontends/fe1", "10.0.1.1:8080")
	f.report("lb1", servedFe1, otherHost)
	p.want(t, "lb1 haproxy.cfg: serves it")
	p.wantCode(t, 0)
	p = f.applied("/frontends/fe1", "--gone")
	remove(t, f.Client, "/frontends/fe1")
	f.report("lb1", otherHost)
	p.want(t, "lb1 haproxy.cfg: does not have it")
	p.wantCode(t, 0)
}
