package lbsync_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"path"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

func (r *rig) report(t *testing.T, service string) (lbsync.Report, bool) {
	t.Helper()
	for key, value := range r.registry.Reports() {
		if path.Dir(key) != "/_lbsync/"+service {
			continue
		}
		var report lbsync.Report
		if err := json.Unmarshal([]byte(value), &report); err != nil {
			t.Fatal(err)
		}
		return report, true
	}
	return lbsync.Report{}, false
}

func TestReports(t *testing.T) {
	r := newRig(t, "a", "b")
	r.registry.Set("/a", "fe1", "10.0.1.1")
	r.registry.Set("/a", "fe2", `{"addr":"10.0.1.2","state":"drain"}`)
	r.start(t)
	want := []lbsync.HostReport{
		{Key: "fe1", Addr: netip.MustParseAddrPort("10.0.1.1:80"), State: "up", Hash: lbsync.ValueHash("10.0.1.1")},
		{Key: "fe2", Addr: netip.MustParseAddrPort("10.0.1.2:80"), State: "drain", Hash: lbsync.ValueHash(`{"addr":"10.0.1.2","state":"drain"}`)},
	}
	lbtest.Eventually(t, 5*time.Second, "the pool is reported", func() bool {
		report, ok := r.report(t, "a")
		return ok && report.InSync && cmp.Equal(report.Hosts, want, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }))
	})
	report, _ := r.report(t, "a")
	if report.Version != 1 || report.Service != "a" || report.Prefix != "/a" || report.Config != r.path || len(report.Generation) != 16 {
		t.Errorf("got %+v", report)
	}
	if age := time.Since(report.At); age < 0 || age > time.Minute {
		t.Errorf("it is %v old", age)
	}
	same := r.registry.Reports()
	puts := r.registry.Puts()
	lbtest.Eventually(t, 10*time.Second, "the reports are renewed", func() bool { return r.registry.Puts() >= puts+2 })
	if again := r.registry.Reports(); !maps.Equal(again, same) {
		t.Errorf("a renewal says something else: %v, then %v", same, again)
	}
	if b, ok := r.report(t, "b"); !ok || len(b.Hosts) != 0 {
		t.Errorf("the empty service: %+v", b)
	}

	// While old workers may have sessions a removed host is leaving, a drained one has sessions.
	r.setOldWorkers(2)
	r.registry.Delete("/a", "fe1")
	lbtest.Eventually(t, 5*time.Second, "fe1 is leaving", func() bool {
		report, _ := r.report(t, "a")
		return len(report.Hosts) == 2 && report.Hosts[0].Key == "fe1" && report.Hosts[0].State == lbsync.ReportLeaving &&
			report.Hosts[0].Sessions > 0 && report.Hosts[1].Sessions > 0
	})
	r.setOldWorkers(0)
	lbtest.Eventually(t, 5*time.Second, "fe1 is gone", func() bool {
		report, _ := r.report(t, "a")
		return len(report.Hosts) == 1 && report.Hosts[0].Key == "fe2" && report.Hosts[0].Sessions == 0
	})
}
