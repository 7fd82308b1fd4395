package main

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/cmd/registry/bench/kit"
)

func TestPlanKeepsEnoughHosts(t *testing.T) {
	for seed := range uint64(20) {
		up, in := changeHosts, map[int]bool{}
		last := map[int]int{}
		for step, c := range planChanges(300, seed) {
			was, known := in[c.host]
			if was = was || !known; was == c.in {
				t.Fatalf("seed %d, step %d: host %d is so already", seed, step, c.host)
			}
			in[c.host] = c.in
			if up += map[bool]int{true: 1, false: -1}[c.in]; up < leastUp {
				t.Fatalf("seed %d, step %d: %d hosts", seed, step, up)
			}
			if before, changed := last[c.host]; changed && step-before < restSteps/2 {
				t.Errorf("seed %d, step %d: host %d changed %d steps ago", seed, step, c.host, step-before)
			}
			last[c.host] = step
		}
	}
	if diff := cmp.Diff(planChanges(50, 1), planChanges(50, 1), cmp.AllowUnexported(change{})); diff != "" {
		t.Error("the same seed makes two plans")
	}
}

func TestParseReloads(t *testing.T) {
	const answer = "#<PID>  <type>  <reloads>       <uptime>     <version>\n" +
		"17339   master  2 [failed: 1]   0d00h01m14s  2.6.12-1+deb12u4\n# workers\n17467   worker  1    0d00h00m51s  2.6\n"
	if n, err := parseReloads(answer); n != 2 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := parseReloads("# workers\n"); err == nil {
		t.Error("an answer without a master is taken")
	}
}

func TestParseServers(t *testing.T) {
	const head = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight …\n"
	row := func(addr, admin, port string) string {
		return "3 frontends 7 s_x " + addr + " 2 " + admin + " 100 100 5 1 0 2 0 0 0 0 - " + port + " - 0 0 - - 0\n"
	}
	got, err := parseServers(head + row("127.0.0.1", "0", "80") + row("127.0.0.2", "1", "80") + row("2001:db8::1", "0", "81"))
	if diff := cmp.Diff(map[string]bool{"127.0.0.1:80": true, "[2001:db8::1]:81": true}, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	if _, err := parseServers("Can't find backend.\n"); err == nil {
		t.Error("a refusal is taken")
	}
}

func TestParseUpstream(t *testing.T) {
	const text = "upstream frontends {\n    server 127.0.0.1:80 weight=100;\n    server 127.0.0.2:80 weight=1 down;\n}\nserver {\n}\n"
	if diff := cmp.Diff(map[string]bool{"127.0.0.1:80": true}, parseUpstream(text)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestUsageSeesItself(t *testing.T) {
	before, err := readUsage()
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		_ = strings.Repeat("x", 1000)
	}
	after, err := readUsage()
	if err != nil || after.own <= before.own || after.machine <= before.machine {
		t.Errorf("from %+v to %+v, %v", before, after, err)
	}
}

func TestPercentile(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(100-i)*time.Millisecond)
	}
	for share, want := range map[float64]float64{50: 50, 99: 99, 100: 100, 0: 1} {
		if got := percentile(all, share); got != want {
			t.Errorf("p%g: got %g", share, got)
		}
	}
	if got := percentile(nil, 50); !math.IsNaN(got) {
		t.Errorf("of none: %g", got)
	}
}

func TestNote(t *testing.T) {
	at := time.Now()
	results := []result{{balancer: balancer{name: "a"}}, {balancer: balancer{name: "b"}}}
	seen := map[string]visit{"a": {first: at.Add(time.Second), last: at.Add(3 * time.Second)}}
	note(results, lastChange{at, true}, seen)
	note(results, lastChange{at, false}, seen)
	if diff := cmp.Diff([][]time.Duration{{time.Second}, {3 * time.Second}}, [][]time.Duration{results[0].joins, results[0].leaves}); diff != "" {
		t.Errorf("seen: -want +got\n%s", diff)
	}
	if diff := cmp.Diff([][]time.Duration{nil, {0}}, [][]time.Duration{results[1].joins, results[1].leaves}); diff != "" {
		t.Errorf("not seen: -want +got\n%s", diff)
	}
}

func TestReason(t *testing.T) {
	for want, err := range map[string]error{
		"stranger":                 &statusError{http.StatusMisdirectedRequest},
		"status 503":               &statusError{http.StatusServiceUnavailable},
		"timeout":                  os.ErrDeadlineExceeded,
		"EOF":                      io.EOF,
		"connection reset by peer": &net.OpError{Op: "read", Err: syscall.ECONNRESET},
		"something else":           errors.New("something else"),
	} {
		if got := reason(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

// A host that comes back keeps its address; one that stays away loses it.
func TestHostGivesItsAddressAway(t *testing.T) {
	ctx := t.Context()
	probe, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWitness()
	h, err := w.newHost(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	ask := func() string {
		o := outcome{failed: map[string]int{}}
		_, err := kinds()[0].request(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, balancer{name: "a", addr: addr})
		if err != nil {
			o.failed[reason(err)]++
		}
		return reasons(o.failed)
	}
	if got := ask(); got != "" || w.first(addr, "a").IsZero() {
		t.Fatalf("got %q", got)
	}
	h.leave(ctx)
	if got := ask(); got != "" {
		t.Errorf("just gone: %q", got)
	}
	err = pollUntil(ctx, 50*time.Millisecond, 2*reuseAfter, "a stranger", func() (bool, error) { return ask() == "1 × stranger", nil })
	if err != nil {
		t.Error(err)
	}
	if err := h.enter(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "" {
		t.Errorf("back: %q", got)
	}
}

func TestReportIsMarkdown(t *testing.T) {
	rep := &report{facts: []string{"fact"}}
	rep.add(
		figure{"work", "HAProxy", "failed", kit.AtMost(0), 0},
		figure{"work", "nginx", "ms", kit.AtMost(100), 250},
		figure{"work", "nginx", "other", kit.Target{}, math.NaN()},
	)
	details := kit.Table{Title: "More", Head: []string{"a"}}
	details.Add("1")
	rep.tables = append(rep.tables, details, kit.Table{Title: "nothing"})
	var out strings.Builder
	if err := rep.write(&out); err != nil {
		t.Fatal(err)
	}
	want := `- fact

| work | of | figure | target | found | verdict |
| --- | --- | --- | --- | --- | --- |
| work | HAProxy | failed | ≤ 0 | 0 | met |
| work | nginx | ms | ≤ 100 | 250 | missed |
| work | nginx | other |  | – |  |

More:

| a |
| --- |
| 1 |
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"-short", "-changes", "3"}, io.Discard)
	if err != nil || o.changes != 3 || o.large != 200 || o.warmUp != shortWarmUp {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, bad := range [][]string{{"x"}, {"-changes", "0"}, {"-large", "5000"}, {"-deaths", "100"}, {"-none"}} {
		if _, err := parseOptions(bad, io.Discard); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestSelectRows(t *testing.T) {
	if all, err := kit.Select(rows(), ""); err != nil || len(all) != len(rows()) {
		t.Errorf("got %d rows, %v", len(all), err)
	}
	if two, err := kit.Select(rows(), "large,joins"); err != nil || len(two) != 2 || two[0].Name != "large" {
		t.Errorf("got %v, %v", two, err)
	}
	if _, err := kit.Select(rows(), "joins,none"); err == nil {
		t.Error("an unknown row is taken")
	}
}

func TestPollUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		err := pollUntil(t.Context(), time.Second, time.Minute, "x", func() (bool, error) { n++; return n == 5, nil })
		if err != nil || n != 5 {
			t.Errorf("got %v after %d", err, n)
		}
		cause := errors.New("cause")
		err = pollUntil(t.Context(), time.Second, time.Minute, "x", func() (bool, error) { return false, cause })
		if !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := pollUntil(ctx, time.Second, time.Minute, "x", func() (bool, error) { return false, nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestParseOwn(t *testing.T) {
	const text = `# HELP rollcall_lbsync_change_seconds Time.
rollcall_lbsync_change_seconds_bucket{kind="haproxy",le="0.1"} 2
rollcall_lbsync_change_seconds_sum{kind="haproxy"} 0.25
rollcall_lbsync_change_seconds_count{kind="haproxy"} 2
rollcall_lbsync_change_seconds_sum{kind="nginx"} 1.5e-1
rollcall_lbsync_change_seconds_count{kind="nginx"} 1
`
	own, err := parseOwn(text)
	if err != nil || own[kindHAProxy] != (ownTime{2, 250 * time.Millisecond}) || own[kindNginx] != (ownTime{1, 150 * time.Millisecond}) {
		t.Errorf("%v, %v", own, err)
	}
	for _, bad := range []string{"", strings.ReplaceAll(text, "nginx", "other"), strings.ReplaceAll(text, "0.25", "x")} {
		if own, err := parseOwn(bad); err == nil {
			t.Errorf("%q: %v", bad, own)
		}
	}
}
