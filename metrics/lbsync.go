package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/lbsync"
)

// Lbsync collects the figures of an lbsync process.
type Lbsync struct {
	stats func() lbsync.Stats

	registryUp, registryContact, registryFailures *prometheus.Desc
	servers, held, rejected, rejections           *prometheus.Desc
	inSync, lastSuccess, applied, failures        *prometheus.Desc
}

// NewLbsyncCollector returns a collector that calls stats for each scrape.
func NewLbsyncCollector(stats func() lbsync.Stats) *Lbsync {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_lbsync_"+name, help, labels, nil)
	}
	return &Lbsync{
		stats: stats,

		registryUp:       desc("registry_up", "1 if the latest request of every service was answered by a registry node."),
		registryContact:  desc("registry_last_contact_timestamp_seconds", "Oldest of the services' latest answers, 0 while one has none."),
		registryFailures: desc("registry_failures_total", "Requests that no registry node answered properly."),

		servers:    desc("pool_servers", "Servers of a pool by state.", "service", "state"),
		held:       desc("pool_held", "1 if the last servers are kept although the registry lists no usable one.", "service"),
		rejected:   desc("rejected_entries", "Entries that are rejected now, by reason.", "service", "reason"),
		rejections: desc("rejections_total", "Entries that ever became rejected, by reason.", "service", "reason"),

		inSync:      desc("target_in_sync", "1 if the balancer was last seen to run what the pools ask for.", "config", "kind"),
		lastSuccess: desc("target_last_success_timestamp_seconds", "When it last was, 0 for never.", "config", "kind"),
		applied:     desc("target_changes_total", "Changes that the balancer was seen to take.", "config", "kind"),
		failures:    desc("target_failures_total", "Rounds that failed, by step.", "config", "kind", "step"),
	}
}

// Describe implements [prometheus.Collector].
func (c *Lbsync) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.registryUp, c.registryContact, c.registryFailures, c.servers, c.held, c.rejected,
		c.rejections, c.inSync, c.lastSuccess, c.applied, c.failures,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Lbsync) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	s := c.stats()
	gauge(c.registryUp, boolean(s.Registry.Reachable))
	gauge(c.registryContact, timestamp(s.Registry.LastContact))
	counter(c.registryFailures, s.Registry.Failures)
	for _, svc := range s.Services {
		for state, n := range svc.Servers {
			gauge(c.servers, float64(n), svc.Name, string(state))
		}
		gauge(c.held, boolean(svc.Held), svc.Name)
		for reason, n := range svc.Rejected {
			gauge(c.rejected, float64(n), svc.Name, string(reason))
		}
		for reason, n := range svc.Rejections {
			counter(c.rejections, n, svc.Name, string(reason))
		}
	}
	for _, t := range s.Targets {
		gauge(c.inSync, boolean(t.InSync), t.Config, t.Kind)
		gauge(c.lastSuccess, timestamp(t.LastSuccess), t.Config, t.Kind)
		counter(c.applied, t.Applied, t.Config, t.Kind)
		for step, n := range t.Failures {
			counter(c.failures, n, t.Config, t.Kind, string(step))
		}
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// timestamp is a time in seconds since 1970, 0 for never.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}
