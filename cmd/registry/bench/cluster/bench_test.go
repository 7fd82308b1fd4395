package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/cmd/registry/bench/kit"
)

// checkError wants no error for an empty text, else one that holds it.
func checkError(t *testing.T, err error, has string) {
	t.Helper()
	if has == "" && err != nil {
		t.Fatal(err)
	}
	if has != "" && (err == nil || !strings.Contains(err.Error(), has)) {
		t.Fatalf("got error %v, want one with %q", err, has)
	}
}

func TestParseEvent(t *testing.T) {
	tests := []struct {
		name, line string
		want       event
		errHas     string
	}{
		{"new entry", `{"action":"set","node":{"key":"/bench/watched/fe1","value":"77","modifiedIndex":3}}`, event{sent: 77}, ""},
		{
			"the new value comes first",
			`{"action":"set","node":{"key":"/a","value":"77"},"prevNode":{"key":"/a","value":"12"}}`,
			event{sent: 77},
			"",
		},
		{"mark", `{"action":"set","node":{"key":"/bench/watched/mark","value":"mark12"}}`, event{mark: "mark12"}, ""},
		{"expiry", `{"action":"expire","node":{"key":"/a"},"prevNode":{"key":"/a","value":"12"}}`, event{}, "not a change"},
		{"error", `{"errorCode":401,"message":"outdated"}`, event{}, "not a change"},
		{"foreign value", `{"action":"set","node":{"key":"/a","value":"10.0.0.1"}}`, event{}, "not a change"},
		{"cut off", `{"action":"set","node":{"key":"/a","value":"10`, event{}, "not a change"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseEvent([]byte(tt.line))
			checkError(t, err, tt.errHas)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestClockCountsMicroseconds(t *testing.T) {
	start := time.Date(2020, 2, 3, 4, 5, 6, 500_000_000, time.UTC)
	c := newClock(start)
	if got := c.micros(start.Add(1500 * time.Microsecond)); got != 501_500 {
		t.Errorf("got %d, want 501500", got)
	}
}

func TestSpread(t *testing.T) {
	var figures []time.Duration
	for i := range 1000 {
		figures = append(figures, time.Duration(999-i)*time.Millisecond)
	}
	if got, want := newSpread(figures), (spread{500, 990, 999}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := newSpread(figures[:1]), (spread{999, 999, 999}); got != want {
		t.Errorf("of one figure: got %+v, want %+v", got, want)
	}
	if got := newSpread(nil); got != (spread{}) {
		t.Errorf("of none: got %+v", got)
	}
}

// A follower reads on through chunks of any size, and ends at its mark only.
func TestFollowerReadsToItsMark(t *testing.T) {
	const line = `{"action":"set","node":{"key":"/a","value":"%s"}}` + "\n"
	f := func(text string) *follower {
		return &follower{server: "n2", lines: bufio.NewReaderSize(strings.NewReader(text), 4096)}
	}
	text := fmt.Sprintf(line, "1") + fmt.Sprintf(line, "mark1") + "\n" + fmt.Sprintf(line, "2")
	c := newClock(time.Now())
	if err := f(text).readUntil(c, "mark2"); err == nil || !strings.Contains(err.Error(), "after 2 events") {
		t.Errorf("a watch that ends before its mark gives %v", err)
	}
	whole := f(text + fmt.Sprintf(line, "mark2") + "not read any more")
	if err := whole.readUntil(c, "mark2"); err != nil || len(whole.lags) != 2 {
		t.Errorf("got %v and %d changes, want 2", err, len(whole.lags))
	}
}

func TestSumMetric(t *testing.T) {
	const text = `# HELP wire_bytes_total Bytes.
# TYPE wire_bytes_total counter
wire_bytes_total{direction="received",transport="packets"} 5
wire_bytes_total{direction="sent",transport="packets"} 2083
wire_bytes_total{direction="sent",transport="streams"} 1.5e+03
entries 7
entries_limit 9
`
	tests := []struct {
		name   string
		want   float64
		errHas string
	}{
		{"wire_bytes_total", 3588, ""},
		{`wire_bytes_total{direction="sent"`, 3583, ""},
		{`wire_bytes_total{direction="sent",transport="streams"}`, 1500, ""},
		{"entries", 7, ""},
		{"entri", 0, "no metric"},
	}
	for _, tt := range tests {
		got, err := sumMetric(text, tt.name)
		checkError(t, err, tt.errHas)
		if got != tt.want {
			t.Errorf("%s is %v, want %v", tt.name, got, tt.want)
		}
	}
	if _, err := sumMetric("entries many\n", "entries"); err == nil {
		t.Error("a value that is no number is taken")
	}
}

func TestParseValues(t *testing.T) {
	got, err := parseValues([]byte(`{"action":"get","node":{"key":"/bench","dir":true,"nodes":[
		{"key":"/bench/a","value":"1"},{"key":"/bench/d","dir":true,"nodes":[{"key":"/bench/d/b","value":"2"}]},
		{"key":"/bench/empty","dir":true}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"/bench/a": "1", "/bench/d/b": "2"}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", `{"errorCode":100}`} {
		if _, err := parseValues([]byte(bad)); err == nil {
			t.Errorf("%q gives no error", bad)
		}
	}
}

func TestParseSent(t *testing.T) {
	got, err := parseSent([]byte(`[{"ifname":"gossip","stats64":{"rx":{"bytes":5},"tx":{"bytes":1590,"packets":3}}}]`))
	if err != nil || got != 1590 {
		t.Errorf("got %v, %v, want 1590", got, err)
	}
	for _, bad := range []string{"", "[]", `[{"ifname":"gossip"}]`} {
		if _, err := parseSent([]byte(bad)); err == nil {
			t.Errorf("%q gives no error", bad)
		}
	}
}

func TestParseWrk(t *testing.T) {
	const good = "Running\nresult requests=2000 duration_us=1000100 p50_us=300 p99_us=1200 "
	tests := []struct {
		name   string
		output string
		want   wrkResult
		errHas string
	}{
		{
			"clean", good + "connect=0 read=0 write=0 status=0 timeout=0\n",
			wrkResult{2000, 1000100 * time.Microsecond, 300 * time.Microsecond, 1200 * time.Microsecond},
			"",
		},
		{"one bad status", good + "connect=0 read=0 write=0 status=1 timeout=0\n", wrkResult{}, "status=1"},
		{"a count missing", good + "connect=0 read=0 write=0 status=0\n", wrkResult{}, "counted failures"},
		{"not a number", "\nresult requests=many\n", wrkResult{}, "many"},
		{"no answers", "\nresult requests=0 connect=0 read=0 write=0 status=0 timeout=0\n", wrkResult{}, "no answer"},
		{"no line", "Running\n", wrkResult{}, "no result"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseWrk(tt.output)
			checkError(t, err, tt.errHas)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestParseProc(t *testing.T) {
	got, err := parseRSS("Name:\tetcd\nVmHWM:\t    3072 kB\nVmRSS:\t    2048 kB\n")
	if err != nil || got != 2<<20 {
		t.Errorf("resident set is %v, %v, want 2 MiB", got, err)
	}
	if _, err := parseRSS("VmHWM: 3 kB\n"); err == nil {
		t.Error("no resident set gives no error")
	}
}

func TestGrowthOfMemory(t *testing.T) {
	flat := []float64{9, 9, 50, 50, 100, 100, 100, 100}
	grows := []float64{1, 1, 1, 1, 40, 40, 50, 50}
	worst, last := readings{flat, grows, {1}}.growth()
	if worst != 1.25 || last != 100 {
		t.Errorf("got %v and %v, want 1.25 and 100", worst, last)
	}
}

func TestStrangers(t *testing.T) {
	before := usage{machine: 10 * time.Second, own: 4 * time.Second}
	after := usage{machine: 13 * time.Second, own: 7 * time.Second}
	if got := after.since(before).strangers(time.Second); got != 0 {
		t.Errorf("strangers took %v %% of a machine that was ours", got)
	}
	after.own = 4 * time.Second
	if got := after.since(before).strangers(time.Hour); got <= 0 {
		t.Errorf("strangers took %v %%", got)
	}
}

type fakeTurn float64

func (t fakeTurn) disturbance() float64 { return float64(t) }

func TestCalmlyTakesTheLeastDisturbedTurn(t *testing.T) {
	// So much is allowed that it does not wait for the machine that runs this test.
	b := &bench{options: options{strangers: 1000}, progress: io.Discard}
	tests := []struct {
		name   string
		turns  []any // a fakeTurn or an error
		want   fakeTurn
		errHas string
	}{
		{"quiet", []any{fakeTurn(900)}, 900, ""},
		{"quiet at last", []any{fakeTurn(1200), errDisturbed, fakeTurn(900)}, 900, ""},
		{"never quiet", []any{fakeTurn(1300), fakeTurn(1100), fakeTurn(1200)}, 1100, ""},
		{"a failure at last", []any{fakeTurn(1300), fakeTurn(1200), errDisturbed}, 1200, ""},
		{"failures only", []any{errDisturbed, errDisturbed, errDisturbed}, 0, "kept up"},
		{"a wrong answer", []any{errors.New("wrong")}, 0, "wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				got, err := calmly(t.Context(), b, func() (fakeTurn, error) {
					next := tt.turns[calls]
					calls++
					if err, ok := next.(error); ok {
						return 0, err
					}
					return next.(fakeTurn), nil
				})
				checkError(t, err, tt.errHas)
				if got != tt.want || calls != len(tt.turns) {
					t.Errorf("got %v after %d turns, want %v after %d", got, calls, tt.want, len(tt.turns))
				}
			})
		})
	}
}

func TestPacingKeepsItsRate(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.FormValue("value") == "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer srv.Close()
	s := &server{site: site{client: strings.TrimPrefix(srv.URL, "http://")}}
	conns, err := dialAll(t.Context(), []*server{s}, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conns.Close() })
	p := pacing{conns, 200, func(i int) request { return putRequest("/x", fmt.Sprintf("value=%d", i)) }}
	sent, err := p.runFor(t.Context(), 500*time.Millisecond)
	if err != nil || len(sent) < 90 || len(sent) > 101 {
		t.Errorf("%d requests in half a second, %v", len(sent), err)
	}
	p.of = func(int) request { return putRequest("/x", "value=") }
	if _, err := p.runFor(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("a wrong answer gives %v", err)
	}
}

// What is sent must be what net/http reads.
func TestWireSpeaksHTTP(t *testing.T) {
	client, peer := net.Pipe()
	defer func() { _, _ = client.Close(), peer.Close() }()
	w := &wire{Conn: client, reader: bufio.NewReader(client)}
	go func() { _ = w.send(putRequest("/v2/keys/a", "value=1")) }()
	got, err := http.ReadRequest(bufio.NewReader(peer))
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPut || got.URL.Path != "/v2/keys/a" || got.PostFormValue("value") != "1" {
		t.Errorf("got %s %s with %v", got.Method, got.URL, got.PostForm)
	}
}

func TestHostsStayWithTheirNodes(t *testing.T) {
	b := &bench{options: options{entries: 200_000}}
	for i := range 100 {
		if r := b.lightRequest(i); strings.Contains(r.form, "ttl") && r != joinEntry(i) {
			t.Errorf("request %d is %v, not the heartbeat of entry %d", i, r, i)
		}
	}
	if r := joinEntry(123_456); r.path != "/v2/keys/d123/frontend-host-123456" || r.form != "value=10.123.456&ttl=3600" {
		t.Errorf("an entry is %v", r)
	}
}

func TestWatchedPartIsThatOfWrk(t *testing.T) {
	timings := make([]timing, 64)
	for i := range timings {
		timings[i].i = i
	}
	if got := countWatched(timings); got != 64/watchedPart {
		t.Errorf("%d of 64 changes are watched", got)
	}
	if changedEntries%watchedPart != 0 {
		t.Error("the part that is watched differs from lap to lap")
	}
}

func TestBetween(t *testing.T) {
	at := time.Unix(1000, 0)
	timings := []timing{{at: at}, {at: at.Add(1)}, {at: at.Add(2)}}
	if got := between(timings, at.Add(1), at.Add(2)); len(got) != 1 || got[0].at != at.Add(1) {
		t.Errorf("got %v", got)
	}
}

func TestReportIsMarkdown(t *testing.T) {
	r := &report{facts: []string{"machine: one"}}
	r.add(
		figure{"changes", "p50 ms", kit.AtMost(3), []float64{1, 4, 2}, []float64{30}},
		figure{"changes", "bytes", kit.Target{}, []float64{123.4}, nil},
	)
	details := kit.Table{Title: "changes", Head: []string{"cluster, round", "p50 ms"}}
	details.AddFigures("etcd, 1", 12.34)
	r.tables = append(r.tables, details)
	var out strings.Builder
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `- machine: one

| work | figure | target | registry | min–max | verdict | etcd | min–max |
| --- | --- | --- | --- | --- | --- | --- | --- |
| changes | p50 ms | ≤ 3.00 | 2.00 | 1.00–4.00 | met | 30.0 | 30.0–30.0 |
| changes | bytes |  | 123 | 123–123 |  |  |  |

changes:

| cluster, round | p50 ms |
| --- | --- |
| etcd, 1 | 12.3 |
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestMedianAndRatios(t *testing.T) {
	quotients := kit.Ratios([]float64{2, 9, 4}, []float64{1, 3, 8})
	if diff := cmp.Diff([]float64{2, 3, 0.5}, quotients); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	if got := kit.Median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median of four is %v, want 2.5", got)
	}
}

func TestOptions(t *testing.T) {
	tests := []struct{ args, errHas string }{
		{"", ""},
		{"-rounds 1 -duration 2s", ""},
		{"-rounds 0", "at least 1"},
		{"-hosts 2", "at least 1, -hosts 3"},
		{"-duration 1s", "at least 2s"},
		{"-window 2m", "between"},
		{"latency", "only flags"},
		{"-no-such-flag", "not defined"},
	}
	for _, tt := range tests {
		_, err := parseOptions(strings.Fields(tt.args), new(bytes.Buffer))
		t.Run(tt.args, func(t *testing.T) { checkError(t, err, tt.errHas) })
	}
}

func TestSelectRows(t *testing.T) {
	if all, err := kit.Select(rows(), ""); err != nil || len(all) != len(rows()) {
		t.Errorf("%d rows, %v", len(all), err)
	}
	if some, err := kit.Select(rows(), "wire,join"); err != nil || len(some) != 2 || some[0].Name != "wire" {
		t.Errorf("got %v, %v", some, err)
	}
	_, err := kit.Select(rows(), "latency,speed")
	checkError(t, err, `"speed"`)
}

func TestProcessSeesItself(t *testing.T) {
	self := process(os.Getpid())
	if _, err := self.cpu(); err != nil {
		t.Error(err)
	}
	if rss, err := self.rss(); err != nil || rss <= 0 {
		t.Errorf("got %v, %v", rss, err)
	}
}
