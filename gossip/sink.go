package gossip

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"

	gometrics "github.com/hashicorp/go-metrics"
)

// MemberlistStats is what memberlist counts of itself. It tells it to go-metrics, which is one for all nodes of a
// process; each node's figures carry its own label there, so that none counts for another.
type MemberlistStats struct {
	// News is the number of messages about a member that were news, by what they said: alive, suspect, dead.
	News map[string]uint64
	// DegradedProbes is the number of probes made while this node doubted itself, so that it made them less often.
	DegradedProbes uint64
	// DegradedTimeouts is the number of members given up although fewer others than hoped for had confirmed it.
	DegradedTimeouts uint64
	// ProbeFailures is the number of probes that had no answer by any way.
	ProbeFailures uint64
	// Fallbacks is the number of probes that were answered by TCP alone.
	Fallbacks uint64
	// Accepted is the number of streams that others opened.
	Accepted uint64
	// PushPulls is the number of streams that were opened to exchange lists of members.
	PushPulls uint64
	// Queued is the number of messages about members that waited to be sent, when memberlist counted last: it does each 30 s.
	Queued uint64
	// Probe, Gossip and PushPull are how long these took.
	Probe, Gossip, PushPull Histogram
}

// A Histogram counts durations, in seconds.
type Histogram struct {
	Count uint64
	// Sum is the sum of all, in seconds.
	Sum float64
	// Buckets count those up to each bound, the smaller ones included.
	Buckets map[float64]uint64
}

// durationBounds are the bounds of histograms, in seconds: from what it takes to send some packets to what a probe
// takes whose node doubts itself. memberlist takes a probe for late after half a second.
var durationBounds = [...]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// durations is a histogram that is being counted. The parts of one observation may be seen apart.
type durations struct {
	counts [len(durationBounds) + 1]atomic.Uint64 // the last is of those above all bounds
	sum    atomic.Uint64                          // of nanoseconds
}

func (d *durations) observe(seconds float32) {
	v := max(float64(seconds), 0)
	i := 0
	for i < len(durationBounds) && v > durationBounds[i] {
		i++
	}
	d.counts[i].Add(1)
	d.sum.Add(uint64(math.Round(v * 1e9)))
}

func (d *durations) histogram() Histogram {
	h := Histogram{Sum: float64(d.sum.Load()) / 1e9, Buckets: make(map[float64]uint64, len(durationBounds))}
	for i := range d.counts {
		h.Count += d.counts[i].Load()
		if i < len(durationBounds) {
			h.Buckets[durationBounds[i]] = h.Count
		}
	}
	return h
}

// figures are the figures of one node's memberlist.
type figures struct {
	alive, suspect, dead             atomic.Uint64
	degradedProbes, degradedTimeouts atomic.Uint64
	accepted, pushPulls, queued      atomic.Uint64
	probe, gossip, pushPull          durations
}

// counter returns what to add to, nil for a name that is not kept.
func (f *figures) counter(k figureKey) *atomic.Uint64 {
	switch k {
	case figureKey{"msg", "alive"}:
		return &f.alive
	case figureKey{"msg", "suspect"}:
		return &f.suspect
	case figureKey{"msg", "dead"}:
		return &f.dead
	case figureKey{"degraded", "probe"}:
		return &f.degradedProbes
	case figureKey{"degraded", "timeout"}:
		return &f.degradedTimeouts
	case figureKey{"tcp", "accept"}:
		return &f.accepted
	case figureKey{"tcp", "connect"}: // by its name all, in truth those for push/pull
		return &f.pushPulls
	}
	return nil
}

// durations returns the histogram of a name, nil for one that is not kept.
func (f *figures) durations(k figureKey) *durations {
	switch k {
	case figureKey{"probeNode"}:
		return &f.probe
	case figureKey{"gossip"}:
		return &f.gossip
	case figureKey{"pushPullNode"}:
		return &f.pushPull
	}
	return nil
}

// stats returns the figures, but for those that only memberlist's log tells.
func (f *figures) stats() MemberlistStats {
	return MemberlistStats{
		News:             map[string]uint64{"alive": f.alive.Load(), "suspect": f.suspect.Load(), "dead": f.dead.Load()},
		DegradedProbes:   f.degradedProbes.Load(),
		DegradedTimeouts: f.degradedTimeouts.Load(),
		Accepted:         f.accepted.Load(),
		PushPulls:        f.pushPulls.Load(),
		Queued:           f.queued.Load(),
		Probe:            f.probe.histogram(),
		Gossip:           f.gossip.histogram(),
		PushPull:         f.pushPull.histogram(),
	}
}

// figureKey is a name of memberlist's without "memberlist" before it.
type figureKey [2]string

// broadcastQueue is the one sample that is kept as its latest value.
var broadcastQueue = figureKey{"queue", "broadcasts"}

// unkept are the names of memberlist v0.7.0 that are not kept, and why. A test compares all names with its source.
var unkept = map[figureKey]string{
	{"udp", "sent"}:       "Traffic has it, as it is on the wire",
	{"udp", "received"}:   "Traffic has it, as it is on the wire",
	{"tcp", "sent"}:       "Traffic has it, as it is on the wire",
	{"size", "remote"}:    "the size of each encrypted stream, whatever it holds; Traffic has it",
	{"size", "local"}:     "four bytes of a msgpack header taken for a number: no size",
	{"health", "score"}:   "Stats.Health has it, also before it has changed for the first time",
	{"node", "instances"}: "Stats.Members has it, and is never older than the last push/pull",
}

// nodeLabel is the name of the label that tells the nodes of a process apart in go-metrics.
const nodeLabel = "rollcall_node"

// sink brings what go-metrics is told to the node that it is of. What carries no label of a node that is there is
// dropped: another program part's figures, and those of a node that has ended.
type sink struct {
	nodes sync.Map // string -> *figures
	last  atomic.Uint64
	once  sync.Once
}

// theSink is the sink of this process, since go-metrics has one for all.
var theSink sink

// add makes room for a node's figures and returns the labels that bring them there.
func (s *sink) add(f *figures) []gometrics.Label {
	s.once.Do(s.install)
	id := strconv.FormatUint(s.last.Add(1), 10)
	s.nodes.Store(id, f)
	return []gometrics.Label{{Name: nodeLabel, Value: id}} // without spare room: memberlist appends to it from many goroutines
}

// install has go-metrics call the sink: names as they are, times in seconds.
func (s *sink) install() {
	cfg := gometrics.Config{TimerGranularity: 1e9, FilterDefault: true}
	_, _ = gometrics.NewGlobal(&cfg, s) // v0.7.0 returns no error ever
}

// remove forgets a node. What it has counted stays with it.
func (s *sink) remove(labels []gometrics.Label) {
	for _, l := range labels {
		s.nodes.Delete(l.Value)
	}
}

// find returns the figures that a name with its labels belongs to, nil if there are none.
func (s *sink) find(name []string, labels []gometrics.Label) (*figures, figureKey) {
	if len(name) < 2 || len(name) > 3 || name[0] != "memberlist" {
		return nil, figureKey{}
	}
	var key figureKey
	copy(key[:], name[1:])
	for _, l := range labels {
		if l.Name == nodeLabel {
			if f, ok := s.nodes.Load(l.Value); ok {
				return f.(*figures), key
			}
		}
	}
	return nil, key
}

// IncrCounterWithLabels implements [gometrics.MetricSink].
func (s *sink) IncrCounterWithLabels(name []string, val float32, labels []gometrics.Label) {
	if f, key := s.find(name, labels); f != nil {
		if c := f.counter(key); c != nil {
			c.Add(uint64(val))
		}
	}
}

// AddSampleWithLabels implements [gometrics.MetricSink].
func (s *sink) AddSampleWithLabels(name []string, val float32, labels []gometrics.Label) {
	f, key := s.find(name, labels)
	if f == nil {
		return
	}
	if key == broadcastQueue {
		f.queued.Store(uint64(val))
	} else if d := f.durations(key); d != nil {
		d.observe(val)
	}
}

// SetGaugeWithLabels implements [gometrics.MetricSink]: no gauge of memberlist is kept.
func (*sink) SetGaugeWithLabels([]string, float32, []gometrics.Label) {}

// SetGauge implements [gometrics.MetricSink]: without labels it is no node's.
func (*sink) SetGauge([]string, float32) {}

// EmitKey implements [gometrics.MetricSink]: without labels it is no node's.
func (*sink) EmitKey([]string, float32) {}

// IncrCounter implements [gometrics.MetricSink]: without labels it is no node's.
func (*sink) IncrCounter([]string, float32) {}

// AddSample implements [gometrics.MetricSink]: without labels it is no node's.
func (*sink) AddSample([]string, float32) {}

// memberlistStats returns memberlist's figures of a node.
func (n *Node) memberlistStats() MemberlistStats {
	s := n.figures.stats()
	s.ProbeFailures, s.Fallbacks = n.lines.unanswered.Load(), n.lines.fallbacks.Load()
	return s
}
