package metrics

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"rollcall/lbsync"
	"rollcall/registry"
)

// everything returns a registry with all collectors that a program may expose.
func everything(t *testing.T) *prometheus.Registry {
	t.Helper()
	requests := NewHTTP()
	h := requests.Wrap("/v2/keys/*", http.NotFoundHandler())
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/keys/a", http.NoBody))
	return NewRegistry("v1", requests,
		NewRegistryCollector(registry.New(registry.Options{}).Stats),
		NewLbsyncCollector(lbsyncStats))
}

// lbsyncStats is a process with one service and one target.
func lbsyncStats() lbsync.Stats {
	return lbsync.Stats{
		Registry: lbsync.RegistryStats{Reachable: true, LastContact: time.Unix(1700000000, 5e8), Failures: 3},
		Services: []lbsync.ServiceStats{{
			Name: "frontends", Held: true,
			Servers:    map[lbsync.State]int{lbsync.Up: 4},
			Rejected:   map[lbsync.Reason]int{lbsync.ReasonPort: 1},
			Rejections: map[lbsync.Reason]uint64{lbsync.ReasonPort: 2},
		}},
		Targets: []lbsync.TargetStats{{
			Config: "/etc/haproxy/haproxy.cfg", Kind: "haproxy", Applied: 7,
			Failures: map[lbsync.Step]uint64{lbsync.StepCheck: 5},
		}},
	}
}

func TestLbsyncFigures(t *testing.T) {
	want := `rollcall_lbsync_pool_held{service="frontends"} 1
rollcall_lbsync_pool_servers{service="frontends",state="up"} 4
rollcall_lbsync_registry_failures_total 3
rollcall_lbsync_registry_last_contact_timestamp_seconds 1.7000000005e+09
rollcall_lbsync_registry_up 1
rollcall_lbsync_rejected_entries{reason="bad_port",service="frontends"} 1
rollcall_lbsync_rejections_total{reason="bad_port",service="frontends"} 2
rollcall_lbsync_target_changes_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 7
rollcall_lbsync_target_failures_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy",step="check"} 5
rollcall_lbsync_target_in_sync{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 0
rollcall_lbsync_target_last_success_timestamp_seconds{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 0
`
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(NewLbsyncCollector(lbsyncStats))
	w := httptest.NewRecorder()
	Handler(r).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	got := regexp.MustCompile("(?m)^(#|promhttp).*\n").ReplaceAllString(w.Body.String(), "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exposed (-want +got):\n%s", diff)
	}
}

// docs/metrics.md and the program list the same series.
func TestDocumentListsEverySeries(t *testing.T) {
	families, err := everything(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var exposed []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "rollcall_") {
			exposed = append(exposed, f.GetName())
		}
	}
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(rollcall_[a-z_]+)").FindAllSubmatch(text, -1) {
		documented = append(documented, string(row[1]))
	}
	slices.Sort(exposed)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, exposed); diff != "" {
		t.Errorf("docs/metrics.md (-) against what is exposed (+):\n%s", diff)
	}
}

// promtool's and client_golang's linters have nothing to say.
func TestLint(t *testing.T) {
	r := everything(t)
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	w := httptest.NewRecorder()
	Handler(r).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	promtool := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	promtool.Stdin = bytes.NewReader(w.Body.Bytes())
	if out, err := promtool.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestStoreFigures(t *testing.T) {
	c := NewRegistryCollector(func() registry.Stats {
		return registry.Stats{Files: 3, Leases: 2, Watchers: 7, Expirations: 11}
	})
	for name, want := range map[string]float64{
		"rollcall_entries": 3, "rollcall_leases": 2, "rollcall_watchers": 7, "rollcall_expirations_total": 11,
	} {
		if got := gathered(t, c, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// gathered returns the value of a series without labels.
func gathered(t *testing.T, c prometheus.Collector, name string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no series %s", name)
	return 0
}

// Requests are counted by what was answered; what a client invents is no label.
func TestHTTPLabels(t *testing.T) {
	m := NewHTTP()
	h := m.Wrap("/things/*", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	}))
	for _, method := range []string{"GET", "GET", "PUT", "BREW", "STEEP"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/things/x", http.NoBody))
	}
	want := `# HELP rollcall_http_requests_total Requests answered, by route, method and status code.
# TYPE rollcall_http_requests_total counter
rollcall_http_requests_total{code="200",method="GET",route="/things/*"} 2
rollcall_http_requests_total{code="405",method="PUT",route="/things/*"} 1
rollcall_http_requests_total{code="405",method="other",route="/things/*"} 2
`
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), "rollcall_http_requests_total"); err != nil {
		t.Error(err)
	}
}

// A handler behind the middleware still reaches its connection.
func TestHTTPKeepsFlush(t *testing.T) {
	h := NewHTTP().Wrap("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if !w.Flushed {
		t.Error("the flush did not arrive")
	}
}
