package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync/lbtest"
)

// Prometheus' own discovery finds what is registered at a node, and nothing that is no address.
func TestPrometheusDiscovery(t *testing.T) {
	t.Parallel()
	promtool := lbtest.Program(t, "promtool")
	n, _ := runNode(t, nodeConfig{name: "dot"})
	for key, form := range map[string]string{
		"frontends/fe1": "value=10.0.1.1:8080&ttl=60", "frontends/zone/fe2": "value=10.0.1.2&ttl=60", "frontends/bad": "value=none%20of%20it",
		"frontends/fe3": `value={"addr":"10.0.1.3:81","zone":"b","state":"drain"}`, "creds": "value=10.0.9.9:1",
	} {
		setOK(t, n.URL()+"/v2/keys/"+key, form)
	}
	conf := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "scrape_configs:\n  - job_name: fe\n    http_sd_configs: [{url: %q}]\n",
		n.URL()+discoveryPath+"?prefix=/frontends&port=9100"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), promtool, "check", "service-discovery", "--timeout=2s", conf, "fe").Output()
	if err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	var found []struct{ DiscoveredLabels map[string]string }
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := []string{}
	for _, f := range found {
		l := f.DiscoveredLabels
		got = append(got, strings.Join([]string{l["__address__"], l["__meta_rollcall_service"], l["__meta_rollcall_state"], l["__meta_rollcall_zone"]}, " "))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"10.0.1.1:8080 frontends up ", "10.0.1.2:9100 frontends up ", "10.0.1.3:81 frontends drain b"}, got); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, out)
	}
}

func TestDiscoveryRefuses(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, nodeConfig{name: "dot"})
	for query, want := range map[string]string{
		"?prefix=/none": "200 []", "": "400 prefix required", "?prefix=/a&port=70000": "400 port", "?prefix=/a&port=0": "400 port",
	} {
		if got := show(t, request(t, http.MethodGet, n.URL()+discoveryPath+query, "")); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := show(t, request(t, http.MethodPost, n.URL()+discoveryPath+"?prefix=/a", "")); !strings.HasPrefix(got, "405") {
		t.Errorf("POST: %s", got)
	}
	lonely := joining("dash")
	lonely.gossip.join = []string{"127.0.0.1:1"}
	m, _ := runNode(t, lonely)
	if got := show(t, request(t, http.MethodGet, m.URL()+discoveryPath+"?prefix=/frontends", "")); !strings.HasPrefix(got, "503") {
		t.Errorf("a node that is not ready: %s", got)
	}
}
