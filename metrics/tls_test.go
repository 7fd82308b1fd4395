package metrics

import (
	"testing"
	"time"
)

func TestTLSFigures(t *testing.T) {
	stats := TLSStats{NotBefore: time.Unix(1600000000, 0), NotAfter: time.Unix(1700000000, 0), Failures: 3}
	c := NewTLSCollector(func() TLSStats { return stats })
	wantFigures(t, c, `rollcall_tls_certificate_expiry_timestamp_seconds 1.7e+09
rollcall_tls_certificate_start_timestamp_seconds 1.6e+09
rollcall_tls_last_reload_success 1
rollcall_tls_reload_failures_total 3
`)
	stats.Unusable = true
	if got := gathered(t, c, "rollcall_tls_last_reload_success"); got != 0 {
		t.Errorf("files that cannot be used show as %v", got)
	}
}
