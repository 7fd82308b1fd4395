package gossip

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gometrics "github.com/hashicorp/go-metrics"
)

// Each node of a process has figures of its own, and what memberlist does shows in them.
func TestMemberlistFigures(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(3)
		c.whole(5*time.Second, nodes)
		time.Sleep(time.Minute)
		for i, n := range nodes {
			s := n.Stats().Memberlist
			if s.News["alive"] < 2 || s.News["suspect"]+s.News["dead"] != 0 {
				t.Errorf("node %d: news %v", i, s.News)
			}
			// A probe a second, each with a way there and back of 1 to 4 ms.
			if s.Probe.Count < 55 || s.Probe.Count > 65 || s.Probe.Buckets[.0005] != 0 || s.Probe.Buckets[.005] != s.Probe.Count {
				t.Errorf("node %d: probes %+v", i, s.Probe)
			}
			if mean := s.Probe.Sum / float64(s.Probe.Count); mean < .001 || mean > .004 {
				t.Errorf("node %d: a probe takes %v s", i, mean)
			}
			if s.Gossip.Count == 0 || s.PushPull.Count == 0 || s.PushPulls == 0 || s.PushPulls > s.PushPull.Count || s.Accepted == 0 {
				t.Errorf("node %d: %+v", i, s)
			}
			if s.Fallbacks+s.ProbeFailures+s.DegradedProbes+s.DegradedTimeouts != 0 {
				t.Errorf("node %d doubts without a reason: %+v", i, s)
			}
		}
		c.crash(nodes[2])
		crashed := nodes[2].Stats().Memberlist
		c.until(time.Minute, "its death is news", func() bool {
			a, b := nodes[0].Stats().Memberlist, nodes[1].Stats().Memberlist
			return a.News["dead"] == 1 && b.News["dead"] == 1 && a.ProbeFailures+b.ProbeFailures > 0
		})
		if diff := cmp.Diff(crashed, nodes[2].Stats().Memberlist); diff != "" {
			t.Errorf("the node that is gone goes on counting (-then +now):\n%s", diff)
		}
	})
}

// Packets that get lost where streams pass show as what they are.
func TestFallbacksAreCounted(t *testing.T) {
	inBubble(t, func(c *cluster) {
		nodes := c.startAll(2)
		c.whole(5*time.Second, nodes)
		c.net.CutPackets(addr(0), addr(1))
		c.until(time.Minute, "fallbacks are counted, and are slow probes", func() bool {
			s := nodes[0].Stats().Memberlist
			return s.Fallbacks >= 3 && s.Probe.Count-s.Probe.Buckets[.5] >= 3
		})
		c.net.Cut(addr(0), addr(1))
		c.until(time.Minute, "the node doubts itself", func() bool { return nodes[0].Stats().Memberlist.DegradedProbes > 0 })
	})
}

// A node that has ended leaves nothing behind in the sink.
func TestSinkForgetsNodes(t *testing.T) {
	count := func() (n int) {
		theSink.nodes.Range(func(any, any) bool { n++; return true })
		return n
	}
	before := count()
	inBubble(t, func(c *cluster) {
		c.whole(5*time.Second, c.startAll(2))
		if got := count(); got != before+2 {
			t.Errorf("%d nodes are known, want %d", got, before+2)
		}
		cfg := c.config(7, nil)
		cfg.Transport = c.net.Transport(addr(7))
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := count(); got != before {
		t.Errorf("%d nodes are known after their end, want %d", got, before)
	}
}

// What is not memberlist's, has no label of a node, or has an unknown one counts for nobody.
func TestSinkDropsStrangers(t *testing.T) {
	var s sink
	s.once.Do(func() {}) // not for this process
	var f, other figures
	labels := s.add(&f)
	s.add(&other)
	s.IncrCounterWithLabels([]string{"memberlist", "msg", "dead"}, 1, labels)
	for _, name := range [][]string{
		nil,
		{"memberlist"},
		{"raft", "msg", "dead"},
		{"memberlist", "msg", "undead"},
		{"memberlist", "msg"},
		{"memberlist", "msg", "dead", "twice"},
	} {
		s.IncrCounterWithLabels(name, 1, labels)
		s.AddSampleWithLabels(name, 1, labels)
	}
	for _, wrong := range [][]gometrics.Label{nil, {{Name: nodeLabel, Value: "99"}}, {{Name: "x", Value: labels[0].Value}}} {
		s.IncrCounterWithLabels([]string{"memberlist", "msg", "dead"}, 1, wrong)
		s.AddSampleWithLabels([]string{"memberlist", "gossip"}, 1, wrong)
	}
	if f.dead.Load() != 1 || f.gossip.histogram().Count != 0 {
		t.Errorf("%d dead, %+v", f.dead.Load(), f.gossip.histogram())
	}
	if diff := cmp.Diff((&figures{}).stats(), other.stats()); diff != "" {
		t.Errorf("another node has counted:\n%s", diff)
	}
	s.AddSampleWithLabels([]string{"memberlist", "queue", "broadcasts"}, 7, labels)
	s.AddSampleWithLabels([]string{"memberlist", "queue", "broadcasts"}, 3, labels)
	if got := f.stats().Queued; got != 3 {
		t.Errorf("%d messages wait, want the latest count", got)
	}
}

func TestDurations(t *testing.T) {
	var d durations
	for _, v := range []float32{-1, .0001, .3, 10, 11} {
		d.observe(v)
	}
	h := d.histogram()
	if h.Count != 5 || h.Sum < 21.3 || h.Sum > 21.4 {
		t.Errorf("%d values, sum %v", h.Count, h.Sum)
	}
	if h.Buckets[.00025] != 2 || h.Buckets[.25] != 2 || h.Buckets[.5] != 3 || h.Buckets[10] != 4 {
		t.Errorf("buckets %v", h.Buckets)
	}
}

// Every name in memberlist's source is kept, or is in the list of those that are not, and every name that is kept is
// there. It fails when another version of memberlist has others.
func TestNamesOfMemberlist(t *testing.T) {
	emitted := emittedByMemberlist(t)
	if len(emitted) < 15 {
		t.Fatalf("only %d names found: %v", len(emitted), emitted)
	}
	var f figures
	kept := make(map[string]string)
	for key, kind := range emitted {
		isCounter, isDuration := f.counter(key) != nil, f.durations(key) != nil
		_, dropped := unkept[key]
		switch {
		case dropped && !isCounter && !isDuration && key != broadcastQueue:
		case kind == "IncrCounterWithLabels" && isCounter && !dropped:
			kept[strings.Join(key[:], ".")] = kind
		case kind == "MeasureSinceWithLabels" && isDuration && !dropped:
			kept[strings.Join(key[:], ".")] = kind
		case kind == "AddSampleWithLabels" && key == broadcastQueue && !dropped:
			kept[strings.Join(key[:], ".")] = kind
		default:
			t.Errorf("%s of %v: neither kept as that nor among those that are not", kind, key)
		}
	}
	for key := range unkept {
		if emitted[key] == "" {
			t.Errorf("%v is no name of memberlist", key)
		}
	}
	want := []string{
		"degraded.probe", "degraded.timeout", "gossip.", "msg.alive", "msg.dead", "msg.suspect",
		"probeNode.", "pushPullNode.", "queue.broadcasts", "tcp.accept", "tcp.connect",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(kept))); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// emittedByMemberlist returns the names in memberlist's source, each with the function that it is told by.
func emittedByMemberlist(t *testing.T) map[figureKey]string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/hashicorp/memberlist").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[figureKey]string)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if kind, key, ok := emission(t, call); ok {
					names[key] = kind
				}
			}
			return true
		})
	}
	return names
}

// emission reads one call of go-metrics: metrics.KIND([]string{"memberlist", …}, …).
func emission(t *testing.T, call *ast.CallExpr) (kind string, key figureKey, ok bool) {
	t.Helper()
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) < 2 {
		return "", key, false
	}
	if pkg, ok := f.X.(*ast.Ident); !ok || pkg.Name != "metrics" {
		return "", key, false
	}
	name, ok := call.Args[0].(*ast.CompositeLit)
	if !ok || len(name.Elts) < 2 || len(name.Elts) > 3 {
		t.Fatalf("a call of %s that is not understood", f.Sel.Name)
	}
	for i, part := range name.Elts[1:] {
		if key[i], ok = literal(part); !ok {
			t.Fatalf("a call of %s with a name that is not constant", f.Sel.Name)
		}
	}
	return f.Sel.Name, key, true
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}

// What one figure costs memberlist, beside what it costs when nobody listens. Each figure belongs to a stream, a packet
// or a round; none to a heartbeat or a request.
func BenchmarkSink(b *testing.B) {
	var f figures
	labels := theSink.add(&f)
	defer theSink.remove(labels)
	b.Run("kept", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			gometrics.IncrCounterWithLabels([]string{"memberlist", "tcp", "accept"}, 1, labels)
		}
	})
	b.Run("dropped", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			gometrics.IncrCounterWithLabels([]string{"memberlist", "tcp", "sent"}, 1000, labels)
		}
	})
	b.Run("nobody", func(b *testing.B) {
		nobody, err := gometrics.New(&gometrics.Config{}, &gometrics.BlackholeSink{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			nobody.IncrCounterWithLabels([]string{"memberlist", "tcp", "accept"}, 1, nil)
		}
	})
}
