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

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"rollcall/registry"
)

// everything returns a registry with all collectors that a program may expose.
func everything(t *testing.T) *prometheus.Registry {
	t.Helper()
	requests := NewHTTP()
	h := requests.Wrap("/v2/keys/*", http.NotFoundHandler())
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/keys/a", http.NoBody))
	return NewRegistry("v1", requests, NewRegistryCollector(registry.New(registry.Options{}).Stats))
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
