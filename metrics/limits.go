package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// Limits collects what a node's limits have refused, and the connections that they bound.
type Limits struct {
	store    func() registry.Stats
	guard    func() httpapi.GuardStats
	refusals *prometheus.Desc
	rows     []row[httpapi.GuardStats]
}

// NewLimitsCollector returns a collector that calls store and guard for each scrape.
func NewLimitsCollector(store func() registry.Stats, guard func() httpapi.GuardStats) *Limits {
	return &Limits{
		store: store,
		guard: guard,
		refusals: prometheus.NewDesc("rollcall_limit_refusals_total",
			"Writes, watches, requests and connections that a limit has refused, by limit.", []string{"limit"}, nil),
		rows: []row[httpapi.GuardStats]{
			newRow(prometheus.GaugeValue, "rollcall_http_connections", "Connections of clients that are open.",
				func(s httpapi.GuardStats) float64 { return float64(s.Connections) }),
			newRow(prometheus.CounterValue, "rollcall_http_connections_evicted_total", "Idle connections that were closed to make room for new ones.",
				func(s httpapi.GuardStats) float64 { return float64(s.Evicted) }),
		},
	}
}

// Describe implements [prometheus.Collector].
func (c *Limits) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.refusals
	for _, r := range c.rows {
		ch <- r.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *Limits) Collect(ch chan<- prometheus.Metric) {
	refused := func(limit string, n uint64) {
		ch <- prometheus.MustNewConstMetric(c.refusals, prometheus.CounterValue, float64(n), limit)
	}
	for l, n := range c.store().Refusals {
		if l > 0 { // 0 is no limit
			refused(registry.Limit(l).String(), n)
		}
	}
	guard := c.guard()
	for l, n := range guard.Refusals {
		refused(httpapi.GuardLimit(l).String(), n)
	}
	for _, r := range c.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(guard))
	}
}
