package metrics

import (
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/registry"
)

// Registry collects the figures of a node's store.
type Registry struct {
	stats func() registry.Stats
	rows  []row[registry.Stats]
	ops   *prometheus.Desc

	prefixEntries, prefixLeases *prometheus.Desc

	replication []row[registry.ReplicationStats]
}

// row is one series without variable labels.
type row[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(S) float64
}

func newRow[S any](kind prometheus.ValueType, name, help string, value func(S) float64) row[S] {
	return row[S]{prometheus.NewDesc(name, help, nil, nil), kind, value}
}

// NewRegistryCollector returns a collector that calls stats for each scrape.
func NewRegistryCollector(stats func() registry.Stats) *Registry {
	gauge := func(name, help string, value func(registry.Stats) float64) row[registry.Stats] {
		return newRow(prometheus.GaugeValue, name, help, value)
	}
	counter := func(name, help string, value func(registry.Stats) float64) row[registry.Stats] {
		return newRow(prometheus.CounterValue, name, help, value)
	}
	return &Registry{
		stats: stats,
		ops: prometheus.NewDesc("rollcall_operations_total",
			"Operations on keys, by action and result; a write with conditions counts as what they make it.",
			[]string{"action", "result"}, nil),
		prefixEntries: prometheus.NewDesc("rollcall_prefix_entries",
			"Keys with a value by top-level name, of 100 names; those of all other names have the name \"\".", []string{"prefix"}, nil),
		prefixLeases: prometheus.NewDesc("rollcall_prefix_leases",
			"Of these, those with a TTL.", []string{"prefix"}, nil),
		rows: []row[registry.Stats]{
			gauge("rollcall_entries", "Keys with a value.",
				func(s registry.Stats) float64 { return float64(s.Files) }),
			gauge("rollcall_directories", "Directories, without the root.",
				func(s registry.Stats) float64 { return float64(s.Dirs) }),
			gauge("rollcall_leases", "Keys and directories with a TTL.",
				func(s registry.Stats) float64 { return float64(s.Leases) }),
			gauge("rollcall_entry_bytes", "Bytes of all keys, directories and values.",
				func(s registry.Stats) float64 { return float64(s.Bytes) }),
			gauge("rollcall_watchers", "Watches that wait for an event.",
				func(s registry.Stats) float64 { return float64(s.Watchers) }),
			gauge("rollcall_history_events", "Events kept for watches that resume.",
				func(s registry.Stats) float64 { return float64(s.History) }),
			gauge("rollcall_history_limit_events", "Events that are kept at most.",
				func(s registry.Stats) float64 { return float64(s.HistoryLimit) }),
			gauge("rollcall_history_bytes", "Estimate of the memory that these events hold, keys and values included.",
				func(s registry.Stats) float64 { return float64(s.HistoryBytes) }),
			gauge("rollcall_index", "The node's index; it grows with time and with each write.",
				func(s registry.Stats) float64 { return float64(s.Index) }),
			counter("rollcall_renewals_total", "Writes that only renewed a lease and so were no event.",
				func(s registry.Stats) float64 { return float64(s.Renewals) }),
			counter("rollcall_expirations_total", "Leases that ran out.",
				func(s registry.Stats) float64 { return float64(s.Expirations) }),
			counter("rollcall_watches_total", "Watches begun.",
				func(s registry.Stats) float64 { return float64(s.Watches) }),
			counter("rollcall_watches_lost_total", "Watches that lost their place because they were read too slowly.",
				func(s registry.Stats) float64 { return float64(s.WatchesLost) }),
			counter("rollcall_process_pauses_total", "Times that the process stood still and all leases were given that time.",
				func(s registry.Stats) float64 { return float64(s.Replication.Pauses) }),
		},
		replication: replicationRows(),
	}
}

// replicationRows are a node's part in a cluster. A node alone has them, too, mostly at 0.
func replicationRows() []row[registry.ReplicationStats] {
	gauge := func(name, help string, value func(registry.ReplicationStats) float64) row[registry.ReplicationStats] {
		return newRow(prometheus.GaugeValue, name, help, value)
	}
	counter := func(name, help string, value func(registry.ReplicationStats) uint64) row[registry.ReplicationStats] {
		return newRow(prometheus.CounterValue, name, help,
			func(s registry.ReplicationStats) float64 { return float64(value(s)) })
	}
	return []row[registry.ReplicationStats]{
		gauge("rollcall_replication_authors", "Runs of nodes of which something is known, this one included.",
			func(s registry.ReplicationStats) float64 { return float64(s.Authors) }),
		gauge("rollcall_replication_removals", "Keys whose removal is remembered.",
			func(s registry.ReplicationStats) float64 { return float64(s.Removals) }),
		gauge("rollcall_leases_orphaned", "Leases whose node is gone: they have one more TTL, which runs here.",
			func(s registry.ReplicationStats) float64 { return float64(s.Orphans) }),
		gauge("rollcall_leases_elsewhere", "Leases that other nodes keep.",
			func(s registry.ReplicationStats) float64 { return float64(s.Elsewhere) }),
		gauge("rollcall_renewals_pending", "Heartbeats that were passed on to the nodes that keep the leases and are not answered.",
			func(s registry.ReplicationStats) float64 { return float64(s.Pending) }),
		gauge("rollcall_clock_ahead_seconds", "How far the latest stamp of any node is ahead of this node's clock.",
			func(s registry.ReplicationStats) float64 { return s.ClockAhead.Seconds() }),
		counter("rollcall_replication_records_merged_total", "Records of other nodes that changed something here.",
			func(s registry.ReplicationStats) uint64 { return s.Merged }),
		counter("rollcall_replication_records_refused_total", "Records of other nodes that were dropped because something was wrong with them.",
			func(s registry.ReplicationStats) uint64 { return s.Refused }),
		counter("rollcall_renewals_forwarded_total", "Heartbeats passed on to the nodes that keep the leases.",
			func(s registry.ReplicationStats) uint64 { return s.Forwarded }),
		counter("rollcall_lease_takeovers_total", "Leases taken over from other nodes.",
			func(s registry.ReplicationStats) uint64 { return s.Takeovers }),
		counter("rollcall_lease_reassertions_total", "Leases of this node that another had let run out, and that were written anew.",
			func(s registry.ReplicationStats) uint64 { return s.Reasserted }),
		counter("rollcall_replication_mismatches_total", "Times that a peer had seen the same and held something else, so that it was sent again.",
			func(s registry.ReplicationStats) uint64 { return s.Mismatches }),
		counter("rollcall_replication_resets_total", "Replacements of this node's copy after it had been away for long.",
			func(s registry.ReplicationStats) uint64 { return s.Resets }),
	}
}

// Describe implements [prometheus.Collector].
func (c *Registry) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.ops, c.prefixEntries, c.prefixLeases} {
		ch <- d
	}
	for _, r := range c.rows {
		ch <- r.desc
	}
	for _, r := range c.replication {
		ch <- r.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *Registry) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for _, r := range c.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(s))
	}
	for _, r := range c.replication {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(s.Replication))
	}
	c.collectPrefixes(ch, s)
	for action, n := range s.Operations {
		name := registry.Action(action).String()
		if registry.Action(action) == registry.Expire {
			continue // rollcall_expirations_total
		}
		ch <- prometheus.MustNewConstMetric(c.ops, prometheus.CounterValue, float64(n.Success), name, "success")
		ch <- prometheus.MustNewConstMetric(c.ops, prometheus.CounterValue, float64(n.Fail), name, "fail")
	}
}

// collectPrefixes exposes the counts by top-level name. A name that is no UTF-8, or longer than what a metric should
// carry, counts among the others.
func (c *Registry) collectPrefixes(ch chan<- prometheus.Metric, s registry.Stats) {
	other := s.Others
	expose := func(name string, p registry.PrefixStats) {
		ch <- prometheus.MustNewConstMetric(c.prefixEntries, prometheus.GaugeValue, float64(p.Files), name)
		ch <- prometheus.MustNewConstMetric(c.prefixLeases, prometheus.GaugeValue, float64(p.Leases), name)
	}
	for name, p := range s.Prefixes {
		if len(name) > maxLabel || !utf8.ValidString(name) {
			other.Files, other.Leases = other.Files+p.Files, other.Leases+p.Leases
			continue
		}
		expose("/"+name, p)
	}
	expose("", other)
}

// maxLabel is the length of names that become labels, in bytes.
const maxLabel = 128
