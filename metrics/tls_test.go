package metrics

import (
	"testing"
	"time"
)

func TestTLSFigures(t *testing.T) {
	stats := func() TLSStats { return TLSStats{NotAfter: time.Unix(1700000000, 0), Failures: 3} }
	wantFigures(t, NewTLSCollector(stats), `rollcall_tls_certificate_expiry_timestamp_seconds 1.7e+09
rollcall_tls_reload_failures_total 3
`)
}
