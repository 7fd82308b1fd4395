package metrics

import "github.com/prometheus/client_golang/prometheus"

// LbsyncReloads says what came of reading lbsync.yaml again.
type LbsyncReloads struct {
	// Success counts the reloads after which a new configuration is in use, Failure those that changed nothing.
	Success, Failure uint64
	// LastOK tells whether the latest one was a success; without any, whether all was right at the start.
	LastOK bool
}

// LbsyncConfig collects the figures of the configuration of an lbsync process.
type LbsyncConfig struct {
	stats           func() LbsyncReloads
	reloads, lastOK *prometheus.Desc
}

// NewLbsyncReloadsCollector returns a collector that calls stats for each scrape.
func NewLbsyncReloadsCollector(stats func() LbsyncReloads) *LbsyncConfig {
	return &LbsyncConfig{
		stats: stats,
		reloads: prometheus.NewDesc("rollcall_lbsync_config_reloads_total",
			"Times that lbsync.yaml and the templates were read again, by result.", []string{"result"}, nil),
		lastOK: prometheus.NewDesc("rollcall_lbsync_config_last_reload_success",
			"1 if lbsync.yaml and the templates, when last read, were right and are in use.", nil, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *LbsyncConfig) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.reloads
	ch <- c.lastOK
}

// Collect implements [prometheus.Collector].
func (c *LbsyncConfig) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	ch <- prometheus.MustNewConstMetric(c.reloads, prometheus.CounterValue, float64(s.Success), "success")
	ch <- prometheus.MustNewConstMetric(c.reloads, prometheus.CounterValue, float64(s.Failure), "failure")
	ch <- prometheus.MustNewConstMetric(c.lastOK, prometheus.GaugeValue, boolean(s.LastOK))
}
