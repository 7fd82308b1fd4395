package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var soakFor = flag.Duration("soak.for", 10*time.Second, "how long TestSoak goes on")

// One node, and a cluster of three, under mixed load for as long as one likes, with kills: hosts
// heartbeat, people write and read, programs watch. Nothing acknowledged is lost, no host that
// heartbeats is missed, and neither memory nor goroutines grow.
//
// The first node of the cluster is never killed, nor is the single one in the second half, so
// that their growth can be told from that of a start.
func TestSoak(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"one node": 1, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newSoak(t, size).run()
		})
	}
}

const (
	soakHosts   = 200
	soakTTL     = 10 * time.Second
	soakWatches = 20
)

// soak is one run on one cluster.
type soak struct {
	*mortals
	client *http.Client
	began  time.Time

	mu      sync.Mutex
	answers map[string]int // by what was asked and what came of it
	wrong   []string       // what should not have been answered
	samples []sample       // of the first node
}

// sample is what a node shows of its own size.
type sample struct {
	at                                              time.Time
	heap, goroutines, files, rss, history, removals float64
}

func newSoak(t *testing.T, size int) *soak {
	t.Helper()
	s := &soak{
		mortals: newMortals(t, size), answers: map[string]int{}, began: time.Now(),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	s.spell = [2]time.Duration{*soakFor / 50, *soakFor / 20}
	for _, m := range s.nodes {
		for _, scribe := range m.scribes {
			scribe.pause = 10 * time.Millisecond
		}
	}
	return s
}

// run goes on until the time is over.
func (s *soak) run() {
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	var background sync.WaitGroup
	registered := make(chan struct{})
	background.Go(func() { s.heartbeats(ctx, registered) })
	<-registered
	background.Go(func() { s.listings(ctx) })
	background.Go(func() { s.sample(ctx) })
	for i := range soakWatches {
		background.Go(func() { s.watch(ctx, s.nodes[i%len(s.nodes)]) })
	}
	for time.Since(s.began) < *soakFor && !s.t.Failed() {
		s.round(s.victims()...)
	}
	stop()
	background.Wait()
	s.conclude()
	s.report()
}

// victims returns who is killed next.
func (s *soak) victims() []*mortal {
	switch {
	case len(s.nodes) > 1:
		return []*mortal{s.nodes[1+s.rand.IntN(len(s.nodes)-1)]}
	case time.Since(s.began) < *soakFor/2:
		return s.nodes
	default:
		return nil
	}
}

// note counts an answer.
func (s *soak) note(what, outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[what+": "+outcome]++
}

func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, time.Since(s.began).Round(time.Millisecond).String()+" "+fmt.Sprintf(format, args...))
}

// ask does a request at a node and returns the answer, nil if there is none.
func (s *soak) ask(ctx context.Context, m *mortal, what, method, path string, form url.Values) []byte {
	req, err := http.NewRequestWithContext(ctx, method, *m.base.Load()+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.fail("%s: %v", what, err)
		return nil
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.client.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			s.note(what, "node is down")
		}
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		s.note(what, "cut off")
		return nil
	case resp.StatusCode == http.StatusServiceUnavailable:
		s.note(what, "node is not ready")
		return nil
	case resp.StatusCode >= 500:
		s.fail("%s: %s %s", what, resp.Status, body)
	}
	s.note(what, "answered")
	return body
}

// heartbeats has all hosts heartbeat three times in a TTL, each at a node that answers.
func (s *soak) heartbeats(ctx context.Context, registered chan struct{}) {
	tick := time.NewTicker(soakTTL / 3 / soakHosts)
	defer tick.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for i := 0; ctx.Err() == nil; i++ {
		host := i % soakHosts
		if i == soakHosts {
			under.Wait()
			close(registered)
		}
		under.Go(func() { s.heartbeat(ctx, host) })
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (s *soak) heartbeat(ctx context.Context, host int) {
	form := url.Values{"value": {fmt.Sprintf("10.0.%d.%d:80", host/250, host%250)}, "ttl": {strconv.Itoa(int(soakTTL.Seconds()))}}
	for i := range 3 * len(s.nodes) {
		m := s.nodes[(host+i)%len(s.nodes)]
		if s.ask(ctx, m, "heartbeat", http.MethodPut, fmt.Sprintf("/v2/keys/frontends/fe%d", host), form) != nil || ctx.Err() != nil {
			return
		}
		time.Sleep(100 * time.Millisecond) // a client's pause before it tries again
	}
}

// listings reads the hosts at all nodes in turn. Who answers must have all of them.
func (s *soak) listings(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		m := s.nodes[i%len(s.nodes)]
		if body := s.ask(ctx, m, "listing", http.MethodGet, "/v2/keys/frontends", nil); body != nil {
			var reply struct{ Node shownNode }
			if err := json.Unmarshal(body, &reply); err != nil || len(reply.Node.Nodes) != soakHosts {
				s.fail("a listing of %s has %d of %d hosts, %v", m.args[2], len(reply.Node.Nodes), soakHosts, err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// watch follows everything at one node from one index to the next, and begins anew where it
// is told to, or the node is down.
func (s *soak) watch(ctx context.Context, m *mortal) {
	for next := uint64(0); ctx.Err() == nil; {
		path := "/v2/keys/?wait=true&recursive=true"
		if next > 0 {
			path += fmt.Sprint("&waitIndex=", next)
		}
		body := s.ask(ctx, m, "watch", http.MethodGet, path, nil)
		var event struct {
			ErrorCode int
			Node      shownNode
		}
		switch {
		case len(body) == 0 || json.Unmarshal(body, &event) != nil || event.ErrorCode == 401:
			next = 0
			time.Sleep(50 * time.Millisecond) // a client's pause before it tries again
		case event.Node.ModifiedIndex < next:
			s.fail("a watch from %d got %s", next, body)
		default:
			next = event.Node.ModifiedIndex + 1
		}
	}
}

// sample looks at the size of the first node.
func (s *soak) sample(ctx context.Context) {
	tick := time.NewTicker(max(time.Second/4, min(*soakFor/200, 5*time.Second)))
	defer tick.Stop()
	for ctx.Err() == nil {
		body := s.ask(ctx, s.nodes[0], "metrics", http.MethodGet, "/metrics", nil)
		figure := func(name string) float64 {
			for lines := bufio.NewScanner(strings.NewReader(string(body))); lines.Scan(); {
				if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
					value, _ := strconv.ParseFloat(text, 64)
					return value
				}
			}
			return 0
		}
		if body != nil {
			s.mu.Lock()
			s.samples = append(s.samples, sample{
				time.Now(), figure("go_memstats_heap_alloc_bytes"), figure("go_goroutines"), figure("process_open_fds"), figure("process_resident_memory_bytes"),
				figure("rollcall_history_bytes"), figure("rollcall_replication_removals"),
			})
			s.mu.Unlock()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// report prints what was seen, as Markdown.
func (s *soak) report() {
	var text strings.Builder
	fmt.Fprintf(&text, "%v, %d nodes: %d kills, %d acknowledged writes, %d wrong answers\n\n| requests | number |\n|---|---|\n",
		soakFor, len(s.nodes), s.kills, s.acks(), len(s.wrong))
	for _, what := range slices.Sorted(maps.Keys(s.answers)) {
		fmt.Fprintf(&text, "| %s | %d |\n", what, s.answers[what])
	}
	text.WriteString("\n| first node, second half | mean | growth an hour |\n|---|---|---|\n")
	for _, row := range []struct {
		name string
		unit float64
		of   func(sample) float64
	}{
		{"heap, MiB", 1 << 20, func(s sample) float64 { return s.heap }},
		{"of it history, MiB", 1 << 20, func(s sample) float64 { return s.history }},
		{"removals remembered", 1, func(s sample) float64 { return s.removals }},
		{"resident, MiB", 1 << 20, func(s sample) float64 { return s.rss }},
		{"goroutines", 1, func(s sample) float64 { return s.goroutines }},
		{"open files", 1, func(s sample) float64 { return s.files }},
	} {
		mean, slope := s.trend(row.of)
		fmt.Fprintf(&text, "| %s | %.1f | %+.1f |\n", row.name, mean/row.unit, slope*3600/row.unit)
	}
	s.t.Log(text.String())
	for _, wrong := range s.wrong[:min(len(s.wrong), 20)] {
		s.t.Error(wrong)
	}
	if s.answers["listing: answered"] == 0 || s.answers["watch: answered"] == 0 || s.answers["heartbeat: answered"] == 0 {
		s.t.Error("it was no load")
	}
}

// trend returns the mean of a figure and its growth a second, by least squares, in the second
// half of the time.
func (s *soak) trend(of func(sample) float64) (mean, slope float64) {
	half := s.samples[:0:0]
	for _, p := range s.samples {
		if p.at.Sub(s.began) > *soakFor/2 {
			half = append(half, p)
		}
	}
	n := float64(len(half))
	var meanTime float64
	for _, p := range half {
		mean += of(p) / n
		meanTime += p.at.Sub(s.began).Seconds() / n
	}
	var both, square float64
	for _, p := range half {
		t := p.at.Sub(s.began).Seconds() - meanTime
		both += t * (of(p) - mean)
		square += t * t
	}
	return mean, both / square
}
