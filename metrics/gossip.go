package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/gossip"
)

// Gossip collects the figures of a node's part in the cluster.
type Gossip struct {
	stats func() gossip.Stats
	rows  []row[gossip.Stats]

	members, wire, messages, messageBytes *prometheus.Desc
	roundTrip, age                        *prometheus.Desc
	memberlist                            memberlist
}

// NewGossipCollector returns a collector that calls stats for each scrape.
func NewGossipCollector(stats func() gossip.Stats) *Gossip {
	gauge := func(name, help string, value func(gossip.Stats) float64) row[gossip.Stats] {
		return newRow(prometheus.GaugeValue, "rollcall_gossip_"+name, help, value)
	}
	counter := func(name, help string, value func(gossip.Stats) uint64) row[gossip.Stats] {
		return newRow(prometheus.CounterValue, "rollcall_gossip_"+name, help,
			func(s gossip.Stats) float64 { return float64(value(s)) })
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_gossip_"+name, help, labels, nil)
	}
	return &Gossip{
		stats:        stats,
		memberlist:   newMemberlist(),
		members:      desc("members", "Nodes of the cluster by status, this one included.", "status"),
		wire:         desc("wire_bytes_total", "Bytes of gossip, as packets (UDP) and in streams (TCP), with all overhead but the headers of IP.", "direction", "transport"),
		messages:     desc("messages_total", "Messages of replication, by kind.", "direction", "kind"),
		messageBytes: desc("message_bytes_total", "Bytes of these messages before encryption.", "direction", "kind"),
		roundTrip:    desc("peer_round_trip_seconds", "Time of the latest complete exchange with a peer, from the question until all of the answer was applied.", "peer"),
		age:          desc("peer_exchange_age_seconds", "Time since the question of that exchange: what the peer had so long ago is here.", "peer"),
		rows: []row[gossip.Stats]{
			gauge("health_score", "How far this node doubts itself: 0 is healthy, 7 is bad.",
				func(s gossip.Stats) float64 { return float64(s.Health) }),
			gauge("last_contact_timestamp_seconds", "When a message of another node arrived last, 0 for never.",
				func(s gossip.Stats) float64 { return timestamp(s.LastContact) }),
			counter("send_failures_total", "Messages that could not be sent; most are tried again.",
				func(s gossip.Stats) uint64 { return s.SendFailures }),
			counter("apply_errors_total", "Messages whose content could not be read.",
				func(s gossip.Stats) uint64 { return s.ApplyErrors }),
			counter("malformed_total", "Messages that were none.",
				func(s gossip.Stats) uint64 { return s.Malformed }),
			counter("dropped_total", "Messages for which there was no room here; what they held is repaired.",
				func(s gossip.Stats) uint64 { return s.Dropped + s.HandoffDrops }),
			counter("busy_given_total", "Requests for repair that were put off.",
				func(s gossip.Stats) uint64 { return s.BusyGiven }),
			counter("busy_received_total", "Own requests for repair that were put off.",
				func(s gossip.Stats) uint64 { return s.BusyReceived }),
			counter("gaps_total", "Deltas before which something was missing.",
				func(s gossip.Stats) uint64 { return s.Gaps }),
			counter("key_failures_total", "Times that the key file could not be used.",
				func(s gossip.Stats) uint64 { return s.KeyFailures }),
			counter("rejected_total", "Packets and streams with another key or cluster name.",
				func(s gossip.Stats) uint64 { return s.Rejected }),
			counter("join_failures_total", "Addresses that could not be joined.",
				func(s gossip.Stats) uint64 { return s.JoinFailures }),
		},
	}
}

// Describe implements [prometheus.Collector].
func (c *Gossip) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.members, c.wire, c.messages, c.messageBytes, c.roundTrip, c.age} {
		ch <- d
	}
	for _, r := range c.rows {
		ch <- r.desc
	}
	c.memberlist.describe(ch)
}

// Collect implements [prometheus.Collector].
func (c *Gossip) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for _, status := range gossip.Statuses() {
		ch <- prometheus.MustNewConstMetric(c.members, prometheus.GaugeValue, float64(s.Members[status]), status.String())
	}
	for direction, t := range map[string]gossip.Traffic{"sent": s.Sent, "received": s.Received} {
		counter := func(d *prometheus.Desc, v uint64, label string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), direction, label)
		}
		counter(c.wire, t.Packets, "packets")
		counter(c.wire, t.Streams, "streams")
		for _, kind := range gossip.MessageKinds() {
			counter(c.messages, t.Messages[kind], kind)
			counter(c.messageBytes, t.Bytes[kind], kind)
		}
	}
	for name, p := range peersByLabel(s.Peers) {
		ch <- prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, p.Age.Seconds(), name)
		if p.RoundTrip > 0 {
			ch <- prometheus.MustNewConstMetric(c.roundTrip, prometheus.GaugeValue, p.RoundTrip.Seconds(), name)
		}
	}
	for _, r := range c.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(s))
	}
	c.memberlist.collect(ch, s.Memberlist)
}

// peersByLabel makes labels of the peers' names, which other nodes have chosen. Where two are the same then, the later
// one stands for both.
func peersByLabel(peers []gossip.PeerStats) map[string]gossip.PeerStats {
	byLabel := make(map[string]gossip.PeerStats, len(peers))
	for _, p := range peers {
		byLabel[strings.ToValidUTF8(p.Name, "?")] = p
	}
	return byLabel
}
