package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TLSStats is what a node can tell of its TLS.
type TLSStats struct {
	NotBefore, NotAfter time.Time // of the certificate that clients get
	Failures            uint64    // times that changed files could not be used
	Unusable            bool      // the files, as they were last looked at, cannot be used
}

// TLS collects the figures of a node's TLS.
type TLS struct {
	stats func() TLSStats
	rows  []row[TLSStats]
}

// NewTLSCollector returns a collector that calls stats for each scrape.
func NewTLSCollector(stats func() TLSStats) *TLS {
	return &TLS{stats: stats, rows: []row[TLSStats]{
		newRow(prometheus.GaugeValue, "rollcall_tls_certificate_expiry_timestamp_seconds", "When the certificate that clients get expires.",
			func(s TLSStats) float64 { return timestamp(s.NotAfter) }),
		newRow(prometheus.GaugeValue, "rollcall_tls_certificate_start_timestamp_seconds", "From when on that certificate is valid.",
			func(s TLSStats) float64 { return timestamp(s.NotBefore) }),
		newRow(prometheus.GaugeValue, "rollcall_tls_last_reload_success", "1 if the TLS files, as they were last looked at, are in use.",
			func(s TLSStats) float64 { return boolean(!s.Unusable) }),
		newRow(prometheus.CounterValue, "rollcall_tls_reload_failures_total", "Times that changed TLS files could not be used, so that the former ones stayed.",
			func(s TLSStats) float64 { return float64(s.Failures) }),
	}}
}

// Describe implements [prometheus.Collector].
func (c *TLS) Describe(ch chan<- *prometheus.Desc) {
	for _, r := range c.rows {
		ch <- r.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *TLS) Collect(ch chan<- prometheus.Metric) {
	stats := c.stats()
	for _, r := range c.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(stats))
	}
}
