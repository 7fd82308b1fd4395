package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/cmd/registry/bench/kit"
)

func TestParseWrk(t *testing.T) {
	const head = "Running 1s test @ http://127.0.0.1:1\n  2 threads and 64 connections\n"
	const good = "result requests=2000 duration_us=1000100 bytes=90000 p50_us=300 p99_us=1200 "
	tests := []struct {
		name   string
		output string
		want   wrkResult
		errHas string
	}{
		{
			"clean", head + good + "connect=0 read=0 write=0 status=0 timeout=0\n",
			wrkResult{2000, 1000100 * time.Microsecond, 90000, 300 * time.Microsecond, 1200 * time.Microsecond},
			"",
		},
		{"one bad status", head + good + "connect=0 read=0 write=0 status=1 timeout=0\n", wrkResult{}, "status=1"},
		{"one time-out", head + good + "connect=0 read=0 write=0 status=0 timeout=1\n", wrkResult{}, "timeout=1"},
		{"a count missing", head + good + "connect=0 read=0 write=0 status=0\n", wrkResult{}, "counted failures"},
		{"not a number", head + "result requests=many\n", wrkResult{}, "many"},
		{
			"no answers", head + "result requests=0 connect=0 read=0 write=0 status=0 timeout=0\n",
			wrkResult{},
			"no answer",
		},
		{"no line", head, wrkResult{}, "no result"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseWrk(tt.output)
			checkError(t, err, tt.errHas)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(wrkResult{})); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

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

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("Name:\tetcd\nVmHWM:\t    3072 kB\nVmRSS:\t    2048 kB\nThreads:\t9\n")
	if want := (memory{rss: 2 << 20, peak: 3 << 20}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "VmHWM: 3 kB\n", "VmHWM: 3 kB\nVmRSS: many kB\n"} {
		if got, err := parseMemory(bad); err == nil {
			t.Errorf("%q gives %+v, want an error", bad, got)
		}
	}
}

func TestProcessSeesItself(t *testing.T) {
	self := process(os.Getpid())
	if _, err := self.cpu(); err != nil {
		t.Error(err)
	}
	if m, err := self.memory(); err != nil || m.rss > m.peak {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestGrowthPerKey(t *testing.T) {
	r := memoryReadings{
		empty: memory{rss: 1000, peak: 9000},
		full:  memory{rss: 3000, peak: 5000},
		idle:  memory{rss: 2000, peak: 7000},
	}
	if got, want := r.perKey(10), (memoryTurn{peak: 400, settled: 200, idle: 100}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMedianAndRatios(t *testing.T) {
	quotients := kit.Ratios([]float64{2, 9, 4}, []float64{1, 3, 8})
	if diff := cmp.Diff([]float64{2, 3, 0.5}, quotients); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	if got := kit.Median(quotients); got != 2 {
		t.Errorf("median of three is %v, want 2", got)
	}
	if got := kit.Median([]float64{4, 1, 2, 3}); got != 2.5 {
		t.Errorf("median of four is %v, want 2.5", got)
	}
}

func TestReportIsMarkdown(t *testing.T) {
	r := &report{facts: []string{"machine: one"}}
	r.compare(comparison{"GET", "etcd", "requests/s", kit.AtLeast(1.1), []float64{1, 3, 2}, []float64{0.5}})
	r.compare(comparison{work: "memory", against: "etcd", what: "bytes", ratios: []float64{0.2}})
	details := kit.Table{Title: "GET", Head: []string{"server", "requests/s"}}
	addRow(&details, "etcd", "%.1f", 12.34)
	r.tables = append(r.tables, details)
	var out strings.Builder
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `- machine: one

| work | registry against | figure | target | median | min–max | verdict | CPU time |
| --- | --- | --- | --- | --- | --- | --- | --- |
| GET | etcd | requests/s | ≥ 1.10 | 2.00 | 1.00–3.00 | met | × 0.50 |
| memory | etcd | bytes |  | 0.20 | 0.20–0.20 |  |  |

GET:

| server | requests/s |
| --- | --- |
| etcd | 12.3 |
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// The checks decide whether a ratio is printed at all: each must refuse what is not the right answer.
func TestChecksRefuseWrongAnswers(t *testing.T) {
	entry := node{Key: "/frontends/fe007", Value: address(7), TTL: 12}
	wrong := entry
	wrong.Value = address(8)
	forever := entry
	forever.TTL = 0
	beat := wantHeartbeat
	tests := []struct {
		name   string
		check  func(answer) error
		answer answer
		errHas string
	}{
		{"heartbeat", beat, answer{"set", &entry, &entry}, ""},
		{"heartbeat of a new key", beat, answer{"set", &entry, nil}, "not the answer"},
		{"heartbeat with another value", beat, answer{"set", &wrong, &entry}, "want /frontends/fe007"},
		{"heartbeat without ttl", beat, answer{"set", &forever, &entry}, "want /frontends/fe007"},
		{"get", wantEntry(ttl), answer{"get", &entry, nil}, ""},
		{"get of another directory", wantEntry(0), answer{"get", &entry, nil}, "want /plain/fe007"},
		{"get that was a set", wantEntry(ttl), answer{"set", &entry, nil}, "not the answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkError(t, tt.check(tt.answer), tt.errHas) })
	}
}

func TestCheckOfListing(t *testing.T) {
	listing := func() answer {
		dir := &node{Key: "/plain", Dir: true}
		for i := range entries {
			dir.Nodes = append(dir.Nodes, node{Key: strings.TrimPrefix(plainPath(i), "/v2/keys"), Value: address(i)})
		}
		return answer{Action: "get", Node: dir}
	}
	check := wantListing("/plain", 0)
	checkError(t, check(listing()), "")

	short := listing()
	short.Node.Nodes = short.Node.Nodes[1:]
	checkError(t, check(short), "not a listing")

	twice := listing()
	twice.Node.Nodes[1] = twice.Node.Nodes[2]
	checkError(t, check(twice), "want /plain/fe001")
}

func TestBareHandler(t *testing.T) {
	srv := httptest.NewServer(bareHandler(bareAnswers{Get: []byte("got"), Put: []byte("put!")}))
	defer srv.Close()
	s := &server{url: srv.URL}
	for r, want := range map[request]string{
		getRequest("/v2/keys/plain/fe001"):                "got",
		putRequest("/v2/keys/frontends/fe001", "value=x"): "put!",
	} {
		if body, err := s.send(t.Context(), r); err != nil || string(body) != want {
			t.Errorf("%v answers %q, %v, want %q", r, body, err, want)
		}
	}
	if _, err := s.send(t.Context(), request{method: http.MethodDelete, path: "/v2/keys/a"}); err == nil {
		t.Error("a method that is not routed succeeds")
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		args   string
		errHas string
	}{
		{"", ""},
		{"-rounds 1 -duration 1s", ""},
		{"-rounds 0", "at least 1"},
		{"-duration 20s", "between"},
		{"-duration 10ms", "between"},
		{"put", "only flags"},
		{"-no-such-flag", "not defined"},
	}
	for _, tt := range tests {
		_, err := parseOptions(strings.Fields(tt.args), new(strings.Builder))
		t.Run(tt.args, func(t *testing.T) { checkError(t, err, tt.errHas) })
	}
}

func TestSelectRows(t *testing.T) {
	all, err := kit.Select(rows(), "")
	if err != nil || len(all) != len(rows()) {
		t.Errorf("got %d rows, %v, want all", len(all), err)
	}
	some, err := kit.Select(rows(), "watch,put")
	if err != nil || len(some) != 2 || some[0].Name != "watch" || some[1].Name != "put" {
		t.Errorf("got %v, %v, want watch and put", some, err)
	}
	_, err = kit.Select(rows(), "put,nothing")
	checkError(t, err, `"nothing"`)
}
