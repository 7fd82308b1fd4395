package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/gossip"
)

// memberlist exposes what the library counts that holds the list of members.
type memberlist struct {
	rows                    []row[gossip.MemberlistStats]
	news                    *prometheus.Desc
	probe, gossip, pushPull *prometheus.Desc
}

func newMemberlist() memberlist {
	counter := func(name, help string, value func(gossip.MemberlistStats) uint64) row[gossip.MemberlistStats] {
		return newRow(prometheus.CounterValue, "rollcall_memberlist_"+name, help,
			func(s gossip.MemberlistStats) float64 { return float64(value(s)) })
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_memberlist_"+name, help, labels, nil)
	}
	return memberlist{
		news:     desc("news_total", "Messages about a member that were news, by what they said of it.", "kind"),
		probe:    desc("probe_duration_seconds", "Time of probes of another node, until its answer or until it is suspected."),
		gossip:   desc("gossip_duration_seconds", "Time to hand one round of news about members to the network."),
		pushPull: desc("push_pull_duration_seconds", "Time of exchanges of the whole list of members that this node began, failed ones included."),
		rows: []row[gossip.MemberlistStats]{
			counter("probe_failures_total", "Probes that had no answer by any way, so that the other node was suspected.",
				func(s gossip.MemberlistStats) uint64 { return s.ProbeFailures }),
			counter("probe_fallbacks_total", "Probes that were answered by TCP alone: packets (UDP) do not pass.",
				func(s gossip.MemberlistStats) uint64 { return s.Fallbacks }),
			counter("degraded_probes_total", "Probes made while this node doubted itself, so that it made them less often.",
				func(s gossip.MemberlistStats) uint64 { return s.DegradedProbes }),
			counter("degraded_timeouts_total", "Members given up although fewer other nodes than hoped for had confirmed it.",
				func(s gossip.MemberlistStats) uint64 { return s.DegradedTimeouts }),
			counter("streams_accepted_total", "Streams that other nodes opened, those of replication included.",
				func(s gossip.MemberlistStats) uint64 { return s.Accepted }),
			counter("push_pull_streams_total", "Streams opened to exchange the list of members.",
				func(s gossip.MemberlistStats) uint64 { return s.PushPulls }),
			newRow(prometheus.GaugeValue, "rollcall_memberlist_queued_messages", "News about members that waited to be sent, as counted each 30 seconds.",
				func(s gossip.MemberlistStats) float64 { return float64(s.Queued) }),
		},
	}
}

func (m *memberlist) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.news, m.probe, m.gossip, m.pushPull} {
		ch <- d
	}
	for _, r := range m.rows {
		ch <- r.desc
	}
}

func (m *memberlist) collect(ch chan<- prometheus.Metric, s gossip.MemberlistStats) {
	for _, kind := range []string{"alive", "suspect", "dead"} {
		ch <- prometheus.MustNewConstMetric(m.news, prometheus.CounterValue, float64(s.News[kind]), kind)
	}
	histogram := func(d *prometheus.Desc, h gossip.Histogram) {
		ch <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum, h.Buckets)
	}
	histogram(m.probe, s.Probe)
	histogram(m.gossip, s.Gossip)
	histogram(m.pushPull, s.PushPull)
	for _, r := range m.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(s))
	}
}
