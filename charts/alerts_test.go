package charts_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const alertsFile = "rollcall/files/alerts.yaml"

// rule is an alert as Prometheus has it.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type ruleGroups struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

func (g ruleGroups) all() []rule {
	var all []rule
	for _, group := range g.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func readAlerts(t *testing.T) []rule {
	t.Helper()
	var groups ruleGroups
	if err := yaml.UnmarshalWithOptions(readFile(t, alertsFile), &groups, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return groups.all()
}

// promtool runs promtool and returns what it says.
func promtool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
	return string(out), err
}

func TestAlertsAreRules(t *testing.T) {
	if out, err := promtool(t, "check", "rules", alertsFile); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	manual := string(readFile(t, "../docs/alerts.md"))
	for _, r := range readAlerts(t) {
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s does not say what is wrong", r.Alert)
		}
		if want := "docs/alerts.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !strings.Contains(manual, "\n### "+r.Alert+"\n\n") {
			t.Errorf("docs/alerts.md has no heading %q", "### "+r.Alert)
		}
		for _, problem := range unknownSeries(t, r.Expr) {
			t.Errorf("%s: %s", r.Alert, problem)
		}
		if !strings.Contains(r.Expr, `{job="rollcall`) {
			t.Errorf("%s asks for no job: the chart could not bind it to a release", r.Alert)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(manual, -1) {
		if !slices.ContainsFunc(readAlerts(t), func(r rule) bool { return r.Alert == heading[1] }) {
			t.Errorf("docs/alerts.md explains %s, which is no alert", heading[1])
		}
	}
}

// seriesInText matches a series of ours, of Go or of the process, and its selector.
var (
	seriesInText    = regexp.MustCompile(`\b((?:rollcall|go|process)_[a-z0-9_]+)(\{[^}]*\})?`)
	labelInSelector = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)`)
	tableRow        = regexp.MustCompile("(?m)^\\| `(rollcall_[a-z0-9_]+)` \\| ([^|]+) \\|([^|]*)\\|")
)

// builtIn are series of the libraries that the program has, which docs/metrics.md names as go_* and process_*.
var builtIn = []string{
	"go_goroutines", "go_gc_gomemlimit_bytes", "go_gc_duration_seconds", "go_memstats_heap_inuse_bytes", "go_memstats_alloc_bytes",
	"process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_cpu_seconds_total", "process_start_time_seconds",
}

// unknownSeries says which series and labels of an expression docs/metrics.md does not have.
func unknownSeries(t *testing.T, expr string) []string {
	t.Helper()
	labels := map[string][]string{}
	for _, row := range tableRow.FindAllStringSubmatch(string(readFile(t, "../docs/metrics.md")), -1) {
		names := strings.FieldsFunc(row[3], func(r rune) bool { return r == ',' || r == ' ' })
		labels[row[1]] = names
		if strings.HasPrefix(row[2], "histogram") {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				labels[row[1]+suffix] = append(slices.Clone(names), "le")
			}
		}
	}
	if len(labels) < 40 {
		t.Fatalf("docs/metrics.md has %d series; it is not read as it should be", len(labels))
	}
	for _, name := range builtIn {
		labels[name] = nil
	}
	labels["go_gc_duration_seconds"] = []string{"quantile"}
	var problems []string
	for _, found := range seriesInText.FindAllStringSubmatch(expr, -1) {
		known, ok := labels[found[1]]
		if !ok {
			problems = append(problems, "no series "+found[1])
			continue
		}
		for _, label := range labelInSelector.FindAllStringSubmatch(found[2], -1) {
			if !slices.Contains(append([]string{"job", "instance", "namespace"}, known...), label[1]) {
				problems = append(problems, fmt.Sprintf("%s has no label %s", found[1], label[1]))
			}
		}
	}
	return problems
}

func TestUnknownSeriesAreNoticed(t *testing.T) {
	for expr, want := range map[string]int{
		`rollcall_entries{job="a"} > 0`:                                          0,
		`rollcall_entrys{job="a"} > 0`:                                           1,
		`rollcall_entries{state="a"} > 0`:                                        1,
		`rate(rollcall_lbsync_change_seconds_bucket{le="1",kind="haproxy"}[5m])`: 0,
		`rate(rollcall_entries_bucket[5m])`:                                      1,
		`go_goroutine + process_fds`:                                             2,
	} {
		if got := unknownSeries(t, expr); len(got) != want {
			t.Errorf("%s: %q, want %d problems", expr, got, want)
		}
	}
}

// healthy is a release where all is well: three nodes and an lbsync, for an hour and a half. A scenario replaces series
// of it by their names.
var healthy = map[string]string{
	`up{job="rollcall",instance="a"}`:                                                                                         "1x140",
	`up{job="rollcall",instance="b"}`:                                                                                         "1x140",
	`up{job="rollcall",instance="c"}`:                                                                                         "1x140",
	`rollcall_entries{job="rollcall",instance="a"}`:                                                                           "100x140",
	`rollcall_entries{job="rollcall",instance="b"}`:                                                                           "100x140",
	`rollcall_gossip_members{job="rollcall",instance="a",status="alive"}`:                                                     "3x140",
	`rollcall_gossip_members{job="rollcall",instance="a",status="suspect"}`:                                                   "0x140",
	`rollcall_gossip_members{job="rollcall",instance="a",status="dead"}`:                                                      "0x140",
	`rollcall_gossip_last_contact_timestamp_seconds{job="rollcall",instance="a"}`:                                             "0+30x140",
	`rollcall_gossip_rejected_total{job="rollcall",instance="a"}`:                                                             "7x140",
	`rollcall_gossip_key_failures_total{job="rollcall",instance="a"}`:                                                         "1x140",
	`rollcall_gossip_malformed_total{job="rollcall",instance="a"}`:                                                            "3x140",
	`rollcall_gossip_apply_errors_total{job="rollcall",instance="a"}`:                                                         "0x140",
	`rollcall_gossip_health_score{job="rollcall",instance="a"}`:                                                               "0x140",
	`rollcall_replication_records_refused_total{job="rollcall",instance="a"}`:                                                 "0x140",
	`rollcall_replication_mismatches_total{job="rollcall",instance="a"}`:                                                      "0x140",
	`rollcall_replication_removals{job="rollcall",instance="a"}`:                                                              "1000x140",
	`rollcall_gossip_peer_round_trip_seconds{job="rollcall",instance="a",peer="b"}`:                                           "0.003x140",
	`rollcall_gossip_peer_exchange_age_seconds{job="rollcall",instance="a",peer="b"}`:                                         "4x140",
	`rollcall_renewals_pending{job="rollcall",instance="a"}`:                                                                  "0 2 0 3 0 0x175",
	`rollcall_leases_orphaned{job="rollcall",instance="a"}`:                                                                   "0x140",
	`rollcall_clock_ahead_seconds{job="rollcall",instance="a"}`:                                                               "0.02x140",
	`rollcall_watches_lost_total{job="rollcall",instance="a"}`:                                                                "0x140",
	`rollcall_process_pauses_total{job="rollcall",instance="a"}`:                                                              "1x140",
	`rollcall_http_requests_total{job="rollcall",instance="a",route="/readyz",code="200"}`:                                    "0+15x140",
	`rollcall_http_requests_total{job="rollcall",instance="a",route="/readyz",code="503"}`:                                    "4x140",
	`rollcall_http_requests_total{job="rollcall",instance="a",route="/v2/keys/*",method="PUT",code="200"}`:                    "0+300x140",
	`rollcall_http_requests_total{job="rollcall",instance="a",route="/v2/keys/*",method="PUT",code="400"}`:                    "0+3x140",
	`rollcall_http_requests_total{job="rollcall",instance="a",route="/v2/keys/*",method="PUT",code="412"}`:                    "0+200x140",
	`process_resident_memory_bytes{job="rollcall",instance="a"}`:                                                              "200000000x140",
	`go_gc_gomemlimit_bytes{job="rollcall",instance="a"}`:                                                                     "480000000x140",
	`process_open_fds{job="rollcall",instance="a"}`:                                                                           "600x140",
	`process_max_fds{job="rollcall",instance="a"}`:                                                                            "1024x140",
	`go_goroutines{job="rollcall",instance="a"}`:                                                                              "1200x140",
	`rollcall_memberlist_probe_fallbacks_total{job="rollcall",instance="a"}`:                                                  "3x140",
	`rollcall_tls_certificate_start_timestamp_seconds{job="rollcall",instance="a"}`:                                           "0x140",
	`rollcall_tls_certificate_expiry_timestamp_seconds{job="rollcall",instance="a"}`:                                          "7776000x140",
	`rollcall_tls_last_reload_success{job="rollcall",instance="a"}`:                                                           "1x140",
	`up{job="rollcall-lbsync",instance="l"}`:                                                                                  "1x140",
	`rollcall_tls_certificate_start_timestamp_seconds{job="rollcall-lbsync",instance="l"}`:                                    "0x140",
	`rollcall_tls_certificate_expiry_timestamp_seconds{job="rollcall-lbsync",instance="l"}`:                                   "7776000x140",
	`rollcall_tls_last_reload_success{job="rollcall-lbsync",instance="l"}`:                                                    "1x140",
	`rollcall_lbsync_registry_up{job="rollcall-lbsync",instance="l"}`:                                                         "1x140",
	`rollcall_lbsync_target_in_sync{job="rollcall-lbsync",instance="l",config="h.cfg",kind="haproxy"}`:                        "1x140",
	`rollcall_lbsync_pool_preserving{job="rollcall-lbsync",instance="l",service="frontends"}`:                                 "0x140",
	`rollcall_lbsync_pool_servers{job="rollcall-lbsync",instance="l",service="frontends",state="up"}`:                         "4x140",
	`rollcall_lbsync_pool_servers{job="rollcall-lbsync",instance="l",service="frontends",state="down"}`:                       "0x140",
	`rollcall_lbsync_rejected_entries{job="rollcall-lbsync",instance="l",service="frontends",reason="bad_syntax"}`:            "0x140",
	`rollcall_lbsync_target_reloads_total{job="rollcall-lbsync",instance="l",config="h.cfg",kind="haproxy",result="failure"}`: "1x140",
	`rollcall_lbsync_config_last_reload_success{job="rollcall-lbsync",instance="l"}`:                                          "1x140",
	`rollcall_lbsync_change_seconds_bucket{job="rollcall-lbsync",instance="l",kind="haproxy",le="0.1"}`:                       "0+10x140",
	`rollcall_lbsync_change_seconds_bucket{job="rollcall-lbsync",instance="l",kind="haproxy",le="30"}`:                        "0+10x140",
	`rollcall_lbsync_change_seconds_bucket{job="rollcall-lbsync",instance="l",kind="haproxy",le="+Inf"}`:                      "0+10x140",
}

// scenario breaks something after breakAt: series are replaced by their values from then on, every 30 seconds. At the
// given minute after that exactly these alerts must fire.
type scenario struct {
	name   string
	series map[string]string // a part of a series' name that is in that one alone: values
	at     int
	fires  []string
}

var scenarios = []scenario{
	{"all is well", nil, 50, nil},
	{"a node is down", map[string]string{`up{job="rollcall",instance="b"}`: "0x120"}, 5, []string{"RollcallNodeDown"}},
	{"one scrape is lost", map[string]string{`up{job="rollcall",instance="b"}`: "0 1x120"}, 5, nil},
	{"all nodes are down", map[string]string{
		`up{job="rollcall",instance="a"}`: "0x120", `up{job="rollcall",instance="b"}`: "0x120", `up{job="rollcall",instance="c"}`: "0x120",
	}, 5, []string{"RollcallDown", "RollcallNodeDown"}},
	{"the nodes are no targets any more", map[string]string{
		`up{job="rollcall",instance="a"}`: "stale", `up{job="rollcall",instance="b"}`: "stale", `up{job="rollcall",instance="c"}`: "stale",
	}, 5, []string{"RollcallDown"}},
	{"a node is not ready", map[string]string{`route="/readyz",code="503"`: "4+15x120"}, 5, []string{"RollcallNodeNotReady"}},
	{"a node is not ready for a moment", map[string]string{`route="/readyz",code="503"`: "4 9 9x120"}, 5, nil},
	{"a member is missing", map[string]string{`status="alive"`: "2x120", `status="dead"`: "1x120"}, 4, []string{"RollcallMembersMissing"}},
	{"a member is suspected", map[string]string{`status="alive"`: "2x120", `status="suspect"`: "1x120"}, 10, nil},
	{"nodes differ for good", map[string]string{`rollcall_entries{job="rollcall",instance="b"}`: "98x120"}, 10, []string{"RollcallNodesDiffer"}},
	{"nodes differ at each scrape but one", map[string]string{`rollcall_entries{job="rollcall",instance="b"}`: "98 98 98 100 98 98 98 100 98 98 98 100 98 98 98 100 98 98 98 100 98x100"}, 9, nil},
	{"nothing is heard of other nodes", map[string]string{`last_contact`: "720x120"}, 4, []string{"RollcallReplicationSilent"}},
	{"a node alone never heard of another", map[string]string{`last_contact`: "0x120"}, 10, nil},
	{"a peer answers slowly", map[string]string{`peer_round_trip`: "3x120"}, 4, []string{"RollcallReplicationLags"}},
	{"a peer answers slowly once", map[string]string{`peer_round_trip`: "3 3 0.003x120"}, 4, nil},
	{"a peer does not answer", map[string]string{`peer_exchange_age`: "4+30x120"}, 9, []string{"RollcallReplicationLags"}},
	{"heartbeats wait for their owner", map[string]string{`renewals_pending`: "50x120"}, 6, []string{"RollcallForwardedHeartbeatsPending"}},
	{"a peak of forwarded heartbeats", map[string]string{`renewals_pending`: "50 50 0 50 50 0 50 50 0 50 50 0 0x120"}, 6, nil},
	{"records are refused", map[string]string{`records_refused`: "0 2x120"}, 3, []string{"RollcallReplicationFaults"}},
	{"messages cannot be read", map[string]string{`apply_errors`: "0 1x120"}, 3, []string{"RollcallReplicationFaults"}},
	{"messages are none", map[string]string{`malformed`: "3 5x120"}, 3, []string{"RollcallReplicationFaults"}},
	{"nodes held something else", map[string]string{`mismatches`: "0 1x120"}, 3, []string{"RollcallReplicationFaults"}},
	{"faults are over", map[string]string{`mismatches`: "0 1x120"}, 20, nil},
	{"strangers", map[string]string{`rejected_total{`: "7+2x120"}, 8, []string{"RollcallStrangers"}},
	{"one strange packet", map[string]string{`rejected_total{`: "7 8x120"}, 8, nil},
	{"keys cannot be used", map[string]string{`key_failures`: "1+1x120"}, 3, []string{"RollcallGossipKeysUnusable"}},
	{"a clock is ahead", map[string]string{`clock_ahead`: "2x120"}, 4, []string{"RollcallClockAhead"}},
	{"a clock is a little ahead", map[string]string{`clock_ahead`: "0.4x120"}, 10, nil},
	{"entries drop", map[string]string{
		`rollcall_entries{job="rollcall",instance="a"}`: "50x120", `rollcall_entries{job="rollcall",instance="b"}`: "50x120",
	}, 3, []string{"RollcallEntriesDropped"}},
	{"entries go slowly", map[string]string{
		`rollcall_entries{job="rollcall",instance="a"}`: "100-1x60", `rollcall_entries{job="rollcall",instance="b"}`: "100-1x60",
	}, 20, nil},
	{"leases stay orphaned", map[string]string{`orphaned`: "5x120"}, 25, []string{"RollcallLeasesOrphaned"}},
	{"leases are orphaned for a while", map[string]string{`orphaned`: "5x10 0x110"}, 25, nil},
	{"heartbeats are refused", map[string]string{`method="PUT",code="400"`: "72+100x120"}, 12, []string{"RollcallHeartbeatsRefused"}},
	{"watches are lost", map[string]string{`watches_lost`: "0+1x120"}, 22, []string{"RollcallWatchersLost"}},
	{"a watch is lost", map[string]string{`watches_lost`: "0 1x120"}, 15, nil},
	{"a node gets no processor", map[string]string{`pauses`: "1+1x120"}, 15, []string{"RollcallNodeSlow"}},
	{"a node doubts itself", map[string]string{`health_score`: "2x120"}, 12, []string{"RollcallNodeSlow"}},
	{"a node doubts itself for a moment", map[string]string{`health_score`: "2 2 0x120"}, 12, nil},
	{"removals pile up", map[string]string{`removals`: "600000x120"}, 35, []string{"RollcallRemovalsPileUp"}},
	{"memory is nearly full", map[string]string{`resident`: "450000000x120"}, 15, []string{"RollcallMemoryNearLimit"}},
	{"there is no limit of memory", map[string]string{`resident`: "450000000x120", `gomemlimit`: "9223372036854775807x120"}, 15, nil},
	{"files are nearly all open", map[string]string{`open_fds`: "900x120"}, 10, []string{"RollcallFilesNearLimit"}},
	{"goroutines leak", map[string]string{`goroutines`: "9000x120"}, 20, []string{"RollcallGoroutinesLeak"}},
	{"many connections have many goroutines", map[string]string{`goroutines`: "90000x120", `open_fds`: "30000x120", `max_fds`: "1000000x120"}, 20, nil},
	{"packets do not pass", map[string]string{`fallbacks`: "3+1x120"}, 12, []string{"RollcallPacketsLost"}},
	{"a few packets are lost", map[string]string{`fallbacks`: "3+1x4 7x115"}, 8, nil},
	{"a certificate is not renewed", map[string]string{`certificate_start_timestamp_seconds{job="rollcall",`: "-6912000x120", `certificate_expiry_timestamp_seconds{job="rollcall",`: "864000x120"}, 10, []string{"RollcallCertificateExpires"}},
	{"a certificate is renewed late", map[string]string{`certificate_start_timestamp_seconds{job="rollcall",`: "-6912000x8 0x111", `certificate_expiry_timestamp_seconds{job="rollcall",`: "864000x8 7776000x111"}, 10, nil},
	{"a certificate of a year has a month left", map[string]string{`certificate_start_timestamp_seconds{job="rollcall",`: "-28944000x120", `certificate_expiry_timestamp_seconds{job="rollcall",`: "2592000x120"}, 10, nil},
	{"a certificate of a day has a third left", map[string]string{`certificate_start_timestamp_seconds{job="rollcall",`: "-57600x120", `certificate_expiry_timestamp_seconds{job="rollcall",`: "28800x120"}, 10, nil},
	{"a certificate of a day is not renewed", map[string]string{`certificate_start_timestamp_seconds{job="rollcall",`: "-72000x120", `certificate_expiry_timestamp_seconds{job="rollcall",`: "14400x120"}, 10, []string{"RollcallCertificateExpires"}},
	{"a certificate has expired", map[string]string{`certificate_expiry_timestamp_seconds{job="rollcall",`: "900x120"}, 10, []string{"RollcallCertificateExpires", "RollcallCertificateExpired"}},
	{"TLS files cannot be used", map[string]string{`tls_last_reload_success{job="rollcall",`: "0x120"}, 3, []string{"RollcallTLSFilesUnusable"}},
	{"TLS files are half replaced", map[string]string{`tls_last_reload_success{job="rollcall",`: "0 1x120"}, 3, nil},
	{"lbsync is down", map[string]string{`^up{job="rollcall-lbsync"`: "0x120"}, 5, []string{"RollcallLbsyncDown"}},
	{"lbsync is no target any more", map[string]string{`^up{job="rollcall-lbsync"`: "stale"}, 5, []string{"RollcallLbsyncDown"}},
	{"a balancer is out of date", map[string]string{`target_in_sync`: "0x120"}, 4, []string{"RollcallLbsyncOutOfDate"}},
	{"a balancer is out of date during a reload", map[string]string{`target_in_sync`: "0 0 1x120"}, 4, nil},
	{"lbsync reaches no node", map[string]string{`registry_up`: "0x120"}, 4, []string{"RollcallLbsyncNoRegistry"}},
	{"a pool is held", map[string]string{`preserving`: "1x120"}, 8, []string{"RollcallLbsyncHoldsPool"}},
	{"a pool is held for a moment", map[string]string{`preserving`: "1 1 1 0x120"}, 8, nil},
	{"a pool is empty", map[string]string{`service="frontends",state="up"`: "0x120", `state="down"`: "2x120"}, 4, []string{"RollcallLbsyncPoolEmpty"}},
	{"entries are rejected", map[string]string{`rejected_entries`: "1x120"}, 12, []string{"RollcallLbsyncEntriesRejected"}},
	{"reloads fail", map[string]string{`result="failure"`: "1+1x120"}, 5, []string{"RollcallLbsyncReloadsFail"}},
	{"a reload fails", map[string]string{`result="failure"`: "1 2x120"}, 5, nil},
	{"lbsync.yaml is refused", map[string]string{`config_last_reload`: "0x120"}, 3, []string{"RollcallLbsyncConfigRefused"}},
	{"lbsync's certificate is not renewed", map[string]string{
		`certificate_start_timestamp_seconds{job="rollcall-lbsync"`: "-6912000x120", `certificate_expiry_timestamp_seconds{job="rollcall-lbsync"`: "864000x120",
	}, 10, []string{"RollcallLbsyncCertificateExpires"}},
	{"lbsync's certificate of a day has a third left", map[string]string{
		`certificate_start_timestamp_seconds{job="rollcall-lbsync"`: "-57600x120", `certificate_expiry_timestamp_seconds{job="rollcall-lbsync"`: "28800x120",
	}, 10, nil},
	{"lbsync's files cannot be used", map[string]string{`tls_last_reload_success{job="rollcall-lbsync"`: "0x120"}, 3, []string{"RollcallLbsyncTLSFilesUnusable"}},
	{"changes are slow", map[string]string{`le="0.1"`: "240x120"}, 35, []string{"RollcallLbsyncSlow"}},
}

// breakAt is when scenarios begin to differ from what is healthy, in minutes.
const breakAt = 12

// values are those of a series in a scenario: the healthy ones until then and then its own.
func (s scenario) values(t *testing.T, series string, used map[string]int) string {
	t.Helper()
	normal := healthy[series]
	own := ""
	for part, values := range s.series {
		if strings.Contains("^"+series, part) {
			used[part]++
			own = values
		}
	}
	if own == "" {
		return normal
	}
	if own == "stale" {
		return strings.Replace(normal, "x140", fmt.Sprintf("x%d stale", 2*breakAt), 1)
	}
	before, ok := strings.CutSuffix(normal, "x140")
	if !ok {
		before, ok = "0", strings.HasSuffix(normal, "0x175")
	}
	if !ok {
		t.Fatalf("the healthy values %q of %s end otherwise than expected", normal, series)
	}
	return fmt.Sprintf("%sx%d %s", before, 2*breakAt-1, own)
}

// TestAlertsFire holds each alert against what must and what must not make it fire.
func TestAlertsFire(t *testing.T) {
	rules, err := filepath.Abs(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	quiet := 0
	fires := map[string]bool{}
	var file strings.Builder
	fmt.Fprintf(&file, "rule_files: [%q]\nevaluation_interval: 30s\ntests:\n", rules)
	for _, s := range scenarios {
		used := map[string]int{}
		fmt.Fprintf(&file, "  - name: %q\n    interval: 30s\n    input_series:\n", s.name)
		for series := range healthy {
			fmt.Fprintf(&file, "      - {series: '%s', values: %q}\n", series, s.values(t, series, used))
		}
		for part := range s.series {
			if used[part] != 1 {
				t.Fatalf("%s: %q is in %d series, want 1", s.name, part, used[part])
			}
		}
		fmt.Fprintf(&file, "    promql_expr_test:\n      - expr: group by (alertname) (ALERTS{alertstate=\"firing\"})\n        eval_time: %dm\n        exp_samples:\n", breakAt+s.at)
		for _, alert := range s.fires {
			fires[alert] = true
			fmt.Fprintf(&file, "          - {labels: '{alertname=%q}', value: 1}\n", alert)
		}
		if len(s.fires) == 0 {
			quiet++
		}
	}
	path := filepath.Join(t.TempDir(), "alerts_test.yaml")
	writeFile(t, path, strings.ReplaceAll(file.String(), "exp_samples:\n  -", "exp_samples: []\n  -"))
	if out, err := promtool(t, "test", "rules", path); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, r := range readAlerts(t) {
		if !fires[r.Alert] {
			t.Errorf("no scenario makes %s fire", r.Alert)
		}
	}
	if quiet < 15 {
		t.Errorf("%d scenarios in which nothing fires, want 15 at least", quiet)
	}
}

// The chart binds the alerts to its release.
func TestPrometheusRule(t *testing.T) {
	for _, c := range []struct {
		set, members string
		left         []string
	}{
		{"monitoring", "< 5", []string{"RollcallHeartbeatsRefused"}},
		{"balancer", "< 3", nil},
	} {
		o := find(t, objects(t, mustRender(t, c.set)), "PrometheusRule", release+"-rollcall")
		text, err := yaml.Marshal(o["spec"])
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "rules.yaml")
		writeFile(t, path, string(text))
		if out, err := promtool(t, "check", "rules", path); err != nil {
			t.Errorf("%s: %v: %s", c.set, err, out)
		}
		var groups ruleGroups
		if err := yaml.UnmarshalWithOptions(text, &groups, yaml.Strict()); err != nil {
			t.Fatal(err)
		}
		got := map[string]rule{}
		for _, r := range groups.all() {
			got[r.Alert] = r
			if strings.Contains(r.Expr, `{job=`) || !strings.Contains(r.Expr, `{namespace="`+namespace+`",job="`+release+`-rollcall`) {
				t.Errorf("%s: %s is not bound to the release: %s", c.set, r.Alert, r.Expr)
			}
		}
		for _, r := range readAlerts(t) {
			_, there := got[r.Alert]
			want := !slices.Contains(c.left, r.Alert) && (c.set == "balancer" || !strings.Contains(r.Alert, "Lbsync"))
			if there != want {
				t.Errorf("%s: %s is there: %v, want %v", c.set, r.Alert, there, want)
			}
		}
		if expr := got["RollcallMembersMissing"].Expr; !strings.HasSuffix(expr, c.members) {
			t.Errorf("%s: %s, want an end of %s", c.set, expr, c.members)
		}
	}
	down := find(t, objects(t, mustRender(t, "monitoring")), "PrometheusRule", release+"-rollcall")
	first := list(list(down, "spec", "groups")[0], "rules")[0]
	if got, want := at[string](first, "annotations", "runbook_url"), "https://git.example.com/rollcall/blob/main/docs/alerts.md#rollcallnodedown"; got != want {
		t.Errorf("runbook_url %q, want %q", got, want)
	}
	if got := at[string](first, "labels", "team"); got != "edge" {
		t.Errorf("label team %q, want edge", got)
	}
}
