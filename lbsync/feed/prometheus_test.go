package feed

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync/lbtest"
)

// discovered is one line of what promtool finds.
type discovered struct {
	DiscoveredLabels map[string]string `json:"discoveredLabels"`
	Labels           map[string]string `json:"labels"`
}

// Prometheus' own discovery reads the feed, and relabelling can use its labels.
func TestPrometheusDiscovers(t *testing.T) {
	promtool := lbtest.Program(t, "promtool")
	server := httptest.NewServer(Handler(fixed(true, somePools()...)))
	defer server.Close()
	conf := filepath.Join(t.TempDir(), "prometheus.yml")
	text := strings.NewReplacer("URL", server.URL+PathPrometheus+"/frontends").Replace(`scrape_configs:
  - job_name: frontends
    http_sd_configs: [{url: "URL", refresh_interval: 10s}]
    relabel_configs:
      - {source_labels: [__meta_rollcall_state], regex: down, action: drop}
      - {source_labels: [__meta_rollcall_zone], target_label: zone}
`)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), promtool, "check", "service-discovery", "--timeout=2s", conf, "frontends")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("promtool: %v\n%s", err, stderr.String())
	}
	var found []discovered
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.DiscoveredLabels["__address__"]+" "+d.DiscoveredLabels["__meta_rollcall_state"]+" "+d.Labels["instance"]+" "+d.Labels["zone"])
	}
	slices.Sort(got)
	want := []string{
		"10.0.1.1:8080 up 10.0.1.1:8080 ", "10.0.1.2:8080 up 10.0.1.2:8080 b", "10.0.1.3:8080 drain 10.0.1.3:8080 b",
		"10.0.1.4:8080 down  ", "10.0.1.5:8080 up 10.0.1.5:8080 b", "[2001:db8::1]:81 up [2001:db8::1]:81 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, out)
	}
}
