package metrics

import (
	"bytes"
	"errors"
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

	"rollcall/gossip"
	"rollcall/lbsync"
	"rollcall/registry"
	"rollcall/registry/disk"
	"rollcall/registry/httpapi"
)

// everything returns a registry with all collectors that a program may expose.
func everything(t *testing.T) *prometheus.Registry {
	t.Helper()
	requests := NewHTTP()
	h := requests.Wrap("/v2/keys/*", http.NotFoundHandler())
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/keys/a", http.NoBody))
	etcd := NewEtcd(registry.New(registry.Options{}).Stats)
	etcd.Wrap("/v2/keys/*", http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/keys/a", http.NoBody))
	data := NewDisk()
	data.Watch(func() disk.Stats { return disk.Stats{} })
	return NewRegistry("v1", requests, data,
		NewRegistryCollector(registry.New(registry.Options{}).Stats),
		NewLimitsCollector(registry.New(registry.Options{}).Stats, httpapi.NewGuard(httpapi.GuardOptions{}).Stats),
		NewGossipCollector(gossipStats),
		NewTLSCollector(func() TLSStats { return TLSStats{} }),
		etcd,
		NewLbsyncCollector(lbsyncStats),
		NewLbsyncReloadsCollector(func() LbsyncReloads { return LbsyncReloads{} }))
}

// gossipStats is a node that has two peers and has lost one.
func gossipStats() gossip.Stats {
	return gossip.Stats{
		Members: map[gossip.Status]int{gossip.Alive: 2, gossip.Suspect: 1, gossip.Dead: 1},
		Sent: gossip.Traffic{
			Packets: 1000, Streams: 2000,
			Bytes: map[string]uint64{"push": 300, "end": 23}, Messages: map[string]uint64{"push": 3, "end": 1},
		},
		Received: gossip.Traffic{
			Packets: 1500, Streams: 2500,
			Bytes: map[string]uint64{"mail": 40}, Messages: map[string]uint64{"mail": 1},
		},
		SendFailures: 5, ApplyErrors: 6, Malformed: 7, Dropped: 8, BusyGiven: 9, BusyReceived: 10, Gaps: 11,
		LastContact: time.Unix(1700000000, 5e8), Health: 2, KeyFailures: 12, HandoffDrops: 100, Rejected: 13, JoinFailures: 14,
		Peers: []gossip.PeerStats{
			{Name: "a", RoundTrip: 3 * time.Millisecond, Age: 2 * time.Second},
			{Name: "b\xff", RoundTrip: time.Millisecond, Age: 5 * time.Second},
			{Name: "new", Age: time.Second},
		},
		Memberlist: gossip.MemberlistStats{
			News:           map[string]uint64{"alive": 31, "suspect": 32, "dead": 33},
			DegradedProbes: 34, DegradedTimeouts: 35, ProbeFailures: 36, Fallbacks: 37, Accepted: 38, PushPulls: 39, Queued: 40,
			Probe: gossip.Histogram{Count: 3, Sum: 1.5, Buckets: map[float64]uint64{0.1: 1, 1: 2}},
		},
	}
}

func TestDiskFigures(t *testing.T) {
	d := NewDisk()
	d.Watch(func() disk.Stats { return disk.Stats{Bytes: 123} })
	wantFigures(t, d, "rollcall_disk_bytes 123\nrollcall_disk_healthy 1\n")
	d.Watch(func() disk.Stats { return disk.Stats{Err: errors.New("full")} })
	wantFigures(t, d, "rollcall_disk_bytes 0\nrollcall_disk_healthy 0\n")
}

func TestGossipFigures(t *testing.T) {
	wantFigures(t, NewGossipCollector(gossipStats), `rollcall_gossip_apply_errors_total 6
rollcall_gossip_busy_given_total 9
rollcall_gossip_busy_received_total 10
rollcall_gossip_dropped_total 108
rollcall_gossip_gaps_total 11
rollcall_gossip_health_score 2
rollcall_gossip_join_failures_total 14
rollcall_gossip_key_failures_total 12
rollcall_gossip_last_contact_timestamp_seconds 1.7000000005e+09
rollcall_gossip_malformed_total 7
rollcall_gossip_members{status="alive"} 2
rollcall_gossip_members{status="dead"} 1
rollcall_gossip_members{status="left"} 0
rollcall_gossip_members{status="suspect"} 1
rollcall_gossip_message_bytes_total{direction="received",kind="ask"} 0
rollcall_gossip_message_bytes_total{direction="received",kind="ask_back"} 0
rollcall_gossip_message_bytes_total{direction="received",kind="busy"} 0
rollcall_gossip_message_bytes_total{direction="received",kind="end"} 0
rollcall_gossip_message_bytes_total{direction="received",kind="mail"} 40
rollcall_gossip_message_bytes_total{direction="received",kind="push"} 0
rollcall_gossip_message_bytes_total{direction="received",kind="repair"} 0
rollcall_gossip_message_bytes_total{direction="sent",kind="ask"} 0
rollcall_gossip_message_bytes_total{direction="sent",kind="ask_back"} 0
rollcall_gossip_message_bytes_total{direction="sent",kind="busy"} 0
rollcall_gossip_message_bytes_total{direction="sent",kind="end"} 23
rollcall_gossip_message_bytes_total{direction="sent",kind="mail"} 0
rollcall_gossip_message_bytes_total{direction="sent",kind="push"} 300
rollcall_gossip_message_bytes_total{direction="sent",kind="repair"} 0
rollcall_gossip_messages_total{direction="received",kind="ask"} 0
rollcall_gossip_messages_total{direction="received",kind="ask_back"} 0
rollcall_gossip_messages_total{direction="received",kind="busy"} 0
rollcall_gossip_messages_total{direction="received",kind="end"} 0
rollcall_gossip_messages_total{direction="received",kind="mail"} 1
rollcall_gossip_messages_total{direction="received",kind="push"} 0
rollcall_gossip_messages_total{direction="received",kind="repair"} 0
rollcall_gossip_messages_total{direction="sent",kind="ask"} 0
rollcall_gossip_messages_total{direction="sent",kind="ask_back"} 0
rollcall_gossip_messages_total{direction="sent",kind="busy"} 0
rollcall_gossip_messages_total{direction="sent",kind="end"} 1
rollcall_gossip_messages_total{direction="sent",kind="mail"} 0
rollcall_gossip_messages_total{direction="sent",kind="push"} 3
rollcall_gossip_messages_total{direction="sent",kind="repair"} 0
rollcall_gossip_peer_exchange_age_seconds{peer="a"} 2
rollcall_gossip_peer_exchange_age_seconds{peer="b?"} 5
rollcall_gossip_peer_exchange_age_seconds{peer="new"} 1
rollcall_gossip_peer_round_trip_seconds{peer="a"} 0.003
rollcall_gossip_peer_round_trip_seconds{peer="b?"} 0.001
rollcall_gossip_rejected_total 13
rollcall_gossip_send_failures_total 5
rollcall_gossip_wire_bytes_total{direction="received",transport="packets"} 1500
rollcall_gossip_wire_bytes_total{direction="received",transport="streams"} 2500
rollcall_gossip_wire_bytes_total{direction="sent",transport="packets"} 1000
rollcall_gossip_wire_bytes_total{direction="sent",transport="streams"} 2000
rollcall_memberlist_degraded_probes_total 34
rollcall_memberlist_degraded_timeouts_total 35
rollcall_memberlist_news_total{kind="alive"} 31
rollcall_memberlist_news_total{kind="dead"} 33
rollcall_memberlist_news_total{kind="suspect"} 32
rollcall_memberlist_probe_failures_total 36
rollcall_memberlist_probe_fallbacks_total 37
rollcall_memberlist_push_pull_streams_total 39
rollcall_memberlist_queued_messages 40
rollcall_memberlist_streams_accepted_total 38
`)
	want := `# HELP rollcall_memberlist_probe_duration_seconds Time of probes of another node, until its answer or until it is suspected.
# TYPE rollcall_memberlist_probe_duration_seconds histogram
rollcall_memberlist_probe_duration_seconds_bucket{le="0.1"} 1
rollcall_memberlist_probe_duration_seconds_bucket{le="1"} 2
rollcall_memberlist_probe_duration_seconds_bucket{le="+Inf"} 3
rollcall_memberlist_probe_duration_seconds_sum 1.5
rollcall_memberlist_probe_duration_seconds_count 3
`
	if err := testutil.CollectAndCompare(NewGossipCollector(gossipStats), strings.NewReader(want), "rollcall_memberlist_probe_duration_seconds"); err != nil {
		t.Error(err)
	}
}

// A node that has just begun shows all series at 0.
func TestGossipFiguresFromTheStart(t *testing.T) {
	c := NewGossipCollector(func() gossip.Stats { return gossip.Stats{} })
	if got := gathered(t, c, "rollcall_gossip_last_contact_timestamp_seconds"); got != 0 {
		t.Errorf("last contact %v without any", got)
	}
	if got, want := testutil.CollectAndCount(c), testutil.CollectAndCount(NewGossipCollector(gossipStats))-5; got != want { // without what there is for each peer
		t.Errorf("%d series at the start, %d later", got, want)
	}
}

// wantFigures compares what a collector exposes, but for histograms.
func wantFigures(t *testing.T, c prometheus.Collector, want string) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	w := httptest.NewRecorder()
	Handler(r).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	got := regexp.MustCompile("(?m)^(#|promhttp|.*_duration_seconds_).*\n").ReplaceAllString(w.Body.String(), "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exposed (-want +got):\n%s", diff)
	}
}

// lbsyncStats is a process with one service and one target.
func lbsyncStats() lbsync.Stats {
	return lbsync.Stats{
		Registry: lbsync.RegistryStats{Reachable: true, LastContact: time.Unix(1700000000, 5e8), Failures: 3},
		Services: []lbsync.ServiceStats{{
			Name: "frontends", Preserving: true,
			Hosts:      map[lbsync.Verdict]int{lbsync.VerdictIn: 3, lbsync.VerdictHeld: 1},
			Servers:    map[lbsync.State]int{lbsync.Up: 4},
			Rejected:   map[lbsync.Reason]int{lbsync.ReasonPort: 1},
			Rejections: map[lbsync.Reason]uint64{lbsync.ReasonPort: 2},
		}},
		Targets: []lbsync.TargetStats{{
			Config: "/etc/haproxy/haproxy.cfg", Kind: "haproxy", Applied: 7,
			Failures: map[lbsync.Step]uint64{lbsync.StepCheck: 5},
			Reloads:  map[string]uint64{"success": 6}, Commands: 40, Drift: 2, OldWorkers: 3, Leaving: 1,
			Generation: "0123456789abcdef",
		}},
		Changes: map[string]lbsync.Histogram{"haproxy": {Count: 3, Sum: 1.5, Buckets: map[float64]uint64{0.1: 1, 1: 2}}},
	}
}

func TestLbsyncFigures(t *testing.T) {
	wantFigures(t, NewLbsyncCollector(lbsyncStats), `rollcall_lbsync_change_seconds_bucket{kind="haproxy",le="0.1"} 1
rollcall_lbsync_change_seconds_bucket{kind="haproxy",le="1"} 2
rollcall_lbsync_change_seconds_bucket{kind="haproxy",le="+Inf"} 3
rollcall_lbsync_change_seconds_sum{kind="haproxy"} 1.5
rollcall_lbsync_change_seconds_count{kind="haproxy"} 3
rollcall_lbsync_hosts{service="frontends",verdict="held"} 1
rollcall_lbsync_hosts{service="frontends",verdict="in"} 3
rollcall_lbsync_pool_preserving{service="frontends"} 1
rollcall_lbsync_pool_servers{service="frontends",state="up"} 4
rollcall_lbsync_registry_failures_total 3
rollcall_lbsync_registry_last_contact_timestamp_seconds 1.7000000005e+09
rollcall_lbsync_registry_up 1
rollcall_lbsync_rejected_entries{reason="bad_port",service="frontends"} 1
rollcall_lbsync_rejections_total{reason="bad_port",service="frontends"} 2
rollcall_lbsync_target_changes_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 7
rollcall_lbsync_target_commands_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 40
rollcall_lbsync_target_drift_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 2
rollcall_lbsync_target_failures_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy",step="check"} 5
rollcall_lbsync_target_generation_info{config="/etc/haproxy/haproxy.cfg",generation="0123456789abcdef",kind="haproxy"} 1
rollcall_lbsync_target_in_sync{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 0
rollcall_lbsync_target_last_success_timestamp_seconds{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 0
rollcall_lbsync_target_leaving_servers{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 1
rollcall_lbsync_target_old_workers{config="/etc/haproxy/haproxy.cfg",kind="haproxy"} 3
rollcall_lbsync_target_reloads_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy",result="failure"} 0
rollcall_lbsync_target_reloads_total{config="/etc/haproxy/haproxy.cfg",kind="haproxy",result="success"} 6
`)
}

// docs/metrics.md and the program list the same series.
func TestDocumentListsEverySeries(t *testing.T) {
	families, err := everything(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var exposed []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "go_") && !strings.HasPrefix(f.GetName(), "process_") && !strings.HasPrefix(f.GetName(), "promhttp_") {
			exposed = append(exposed, f.GetName())
		}
	}
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `((?:rollcall|etcd)_[a-z_]+)").FindAllSubmatch(text, -1) {
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
		return registry.Stats{
			Files: 3, Leases: 2, Bytes: 44, Watchers: 7, Expirations: 11,
			Replication: registry.ReplicationStats{
				Authors: 21, Removals: 22, Orphans: 23, Elsewhere: 24, Pending: 25, ClockAhead: 260 * time.Millisecond,
				Merged: 27, Refused: 28, Forwarded: 29, Takeovers: 30, Reasserted: 34, Mismatches: 31, Resets: 32, Pauses: 33,
			},
		}
	})
	for name, want := range map[string]float64{
		"rollcall_entries": 3, "rollcall_entry_bytes": 44, "rollcall_leases": 2, "rollcall_watchers": 7, "rollcall_expirations_total": 11,
		"rollcall_replication_authors": 21, "rollcall_replication_removals": 22, "rollcall_leases_orphaned": 23,
		"rollcall_leases_elsewhere": 24, "rollcall_renewals_pending": 25, "rollcall_clock_ahead_seconds": 0.26,
		"rollcall_replication_records_merged_total": 27, "rollcall_replication_records_refused_total": 28,
		"rollcall_renewals_forwarded_total": 29, "rollcall_lease_takeovers_total": 30, "rollcall_lease_reassertions_total": 34,
		"rollcall_replication_mismatches_total": 31, "rollcall_replication_resets_total": 32, "rollcall_process_pauses_total": 33,
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
