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
	servers, rejected, rejections                 *prometheus.Desc
	hosts, preserving                             *prometheus.Desc
	inSync, lastSuccess, applied, failures        *prometheus.Desc
	reloads, commands, drift, oldWorkers, leaving *prometheus.Desc
	generation, changes                           *prometheus.Desc
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
		rejected:   desc("rejected_entries", "Entries that are rejected now, by reason.", "service", "reason"),
		rejections: desc("rejections_total", "Entries that ever became rejected, by reason.", "service", "reason"),

		inSync:      desc("target_in_sync", "1 if the balancer was last seen to run what the pools ask for.", "config", "kind"),
		lastSuccess: desc("target_last_success_timestamp_seconds", "When it last was, 0 for never.", "config", "kind"),
		applied:     desc("target_changes_total", "Changes that the balancer was seen to take.", "config", "kind"),
		failures:    desc("target_failures_total", "Rounds that failed, by step.", "config", "kind", "step"),

		hosts:      desc("hosts", "Hosts that are known of a service, by verdict.", "service", "verdict"),
		preserving: desc("pool_preserving", "1 if hosts are held in the pool against the registry.", "service"),
		reloads:    desc("target_reloads_total", "Reloads of the balancer, by result.", "config", "kind", "result"),
		commands:   desc("target_commands_total", "Changes that were made without a reload.", "config", "kind"),
		drift:      desc("target_drift_total", "Times that the balancer was found to run something else.", "config", "kind"),
		oldWorkers: desc("target_old_workers", "Processes that finish connections with a former configuration.", "config", "kind"),
		leaving:    desc("target_leaving_servers", "Servers that get nothing new and finish what they have.", "config", "kind"),
		generation: desc("target_generation_info", "The generation that the balancer runs; always 1.", "config", "kind", "generation"),
		changes:    desc("change_seconds", "Time from when a change was seen until a balancer served it.", "kind"),
	}
}

// Describe implements [prometheus.Collector].
func (c *Lbsync) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.registryUp, c.registryContact, c.registryFailures, c.servers, c.rejected,
		c.rejections, c.hosts, c.preserving, c.inSync, c.lastSuccess, c.applied, c.failures,
		c.reloads, c.commands, c.drift, c.oldWorkers, c.leaving, c.generation, c.changes,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Lbsync) Collect(ch chan<- prometheus.Metric) {
	s, out := c.stats(), sink(ch)
	out.gauge(c.registryUp, boolean(s.Registry.Reachable))
	out.gauge(c.registryContact, timestamp(s.Registry.LastContact))
	out.counter(c.registryFailures, s.Registry.Failures)
	for _, svc := range s.Services {
		c.collectService(out, svc)
	}
	for _, t := range s.Targets {
		c.collectTarget(out, t)
	}
	for kind, h := range s.Changes {
		ch <- prometheus.MustNewConstHistogram(c.changes, h.Count, h.Sum, h.Buckets, kind)
	}
}

func (c *Lbsync) collectService(out sink, svc lbsync.ServiceStats) {
	for state, n := range svc.Servers {
		out.gauge(c.servers, float64(n), svc.Name, string(state))
	}
	for verdict, n := range svc.Hosts {
		out.gauge(c.hosts, float64(n), svc.Name, string(verdict))
	}
	out.gauge(c.preserving, boolean(svc.Preserving), svc.Name)
	for reason, n := range svc.Rejected {
		out.gauge(c.rejected, float64(n), svc.Name, string(reason))
	}
	for reason, n := range svc.Rejections {
		out.counter(c.rejections, n, svc.Name, string(reason))
	}
}

func (c *Lbsync) collectTarget(out sink, t lbsync.TargetStats) {
	out.gauge(c.inSync, boolean(t.InSync), t.Config, t.Kind)
	out.gauge(c.lastSuccess, timestamp(t.LastSuccess), t.Config, t.Kind)
	out.counter(c.applied, t.Applied, t.Config, t.Kind)
	for step, n := range t.Failures {
		out.counter(c.failures, n, t.Config, t.Kind, string(step))
	}
	for _, result := range []string{"success", "failure"} {
		out.counter(c.reloads, t.Reloads[result], t.Config, t.Kind, result)
	}
	out.counter(c.commands, t.Commands, t.Config, t.Kind)
	out.counter(c.drift, t.Drift, t.Config, t.Kind)
	out.gauge(c.oldWorkers, float64(t.OldWorkers), t.Config, t.Kind)
	out.gauge(c.leaving, float64(t.Leaving), t.Config, t.Kind)
	if t.Generation != "" {
		out.gauge(c.generation, 1, t.Config, t.Kind, t.Generation)
	}
}

// sink takes the figures of one scrape.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) counter(d *prometheus.Desc, v uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
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
