//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// labGlance is how often each node's listing is looked at.
	labGlance = 200 * time.Millisecond
	// labLag is how long a change may take to get from one node to the others.
	labLag = time.Second
	// labMaxErrors is how much one test complains.
	labMaxErrors = 10
)

// labCheck compares what nodes show with what they have accepted. It sees what clients
// see, all the time:
//
//   - a host is never absent while a node that can be reached from where it is looked for
//     has accepted a heartbeat within the TTL, neither in listings nor by an event;
//   - what was deleted and has been seen gone on a node does not come back there;
//   - a node's indexes do not go back, with a data directory not over a restart either;
//   - the events of a stream have rising indexes, and lead to the same keys as a listing.
type labCheck struct {
	t *testing.T

	mu     sync.Mutex
	errors int
	looks  int                     // listings and events so far
	hosts  map[string][]labAck     // by key, the latest last
	kept   map[string]labKeep      // by host
	apart  map[[2]string]bool      // pairs of nodes that are cut off
	since  map[[2]string]time.Time // when others have got over that
	silent map[string]bool         // nodes whose news the others may not have yet
	want   map[string]string       // what was put and not deleted
	dead   map[string]time.Time    // what was deleted and not put again
	views  map[string]*labView     // by node
}

// labAck is a heartbeat that a node has accepted.
type labAck struct {
	node       string
	begin, end time.Time
}

// labKeep says how much longer than its TTL a node must show a host.
type labKeep struct {
	node string
	more time.Duration
}

// labView is what is known of one node.
type labView struct {
	index  uint64            // its latest
	event  uint64            // that of the latest event
	gone   map[string]bool   // deleted keys that it was seen without
	mirror map[string]string // files, by listing and events since; nil if there is no stream
	born   time.Time         // when the process before the present one had ended
	anew   bool              // indexes may begin again
}

func newLabCheck(t *testing.T) *labCheck {
	t.Helper()
	return &labCheck{
		t: t, silent: map[string]bool{}, kept: map[string]labKeep{}, hosts: map[string][]labAck{}, apart: map[[2]string]bool{}, since: map[[2]string]time.Time{},
		want: map[string]string{}, dead: map[string]time.Time{}, views: map[string]*labView{},
	}
}

// failLocked fails the test.
func (c *labCheck) failLocked(format string, args ...any) {
	if c.errors++; c.errors <= labMaxErrors {
		c.t.Errorf("%s %s", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
	}
}

// addHost makes a host known. It may be one that lived before.
func (c *labCheck) addHost(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[key] == nil {
		c.hosts[key] = []labAck{}
	}
}

// keep has a node show some hosts for some time more than their TTL, since it will be
// stopped for that time.
func (c *labCheck) keep(n *labNode, more time.Duration, hosts []*labHost) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range hosts {
		c.kept[h.key] = labKeep{n.name, more}
	}
}

// acked notes that a node has accepted a heartbeat.
func (c *labCheck) acked(key string, n *labNode, a labAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const most = 16
	c.hosts[key] = append(c.hosts[key][max(len(c.hosts[key])-most, 0):], labAck{n.name, a.begin, a.end})
}

// lastAck is when a host's latest heartbeat was accepted, zero if none was.
func (c *labCheck) lastAck(key string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if acks := c.hosts[key]; len(acks) > 0 {
		return acks[len(acks)-1].end
	}
	return time.Time{}
}

// putting notes that a deleted key may come back from now on.
func (c *labCheck) putting(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.dead, key)
	for _, v := range c.views {
		delete(v.gone, key)
	}
}

func (c *labCheck) put(key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want[key] = value
}

func (c *labCheck) deleted(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.want, key)
	c.dead[key] = time.Now()
}

func (c *labCheck) deletedBelow(dir string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.want {
		if strings.HasPrefix(key, dir+"/") {
			delete(c.want, key)
			c.dead[key] = time.Now()
		}
	}
}

// pair is the key of two nodes.
func pair(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

// cut notes that two groups of nodes do not reach each other.
func (c *labCheck) cut(group, others []*labNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range group {
		for _, b := range others {
			c.apart[pair(a.name, b.name)] = true
		}
	}
}

// silence notes that a node cannot tell the others anything, though it may hear of them.
func (c *labCheck) silence(n *labNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent[n.name] = true
}

// whole notes that all nodes reach each other and have told each other all.
func (c *labCheck) whole() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.apart {
		c.since[p] = time.Now()
	}
	clear(c.apart)
	clear(c.silent)
}

// ended notes that a node's process has ended. Without a data directory the next one may
// begin with any index.
func (c *labCheck) ended(n *labNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.viewLocked(n.name); !n.hasDataDir() {
		v.index, v.anew, v.born = 0, true, time.Now()
	}
}

// mustShowLocked tells by which heartbeat a node must show a host from one time to
// another, if it must.
func (c *labCheck) mustShowLocked(key, node string, from, to time.Time) (labAck, bool) {
	ttl := labTTL
	if k := c.kept[key]; k.node == node {
		ttl += k.more
	}
	for _, a := range slices.Backward(c.hosts[key]) {
		if between := pair(a.node, node); c.apart[between] || c.since[between].After(a.begin) || c.silent[a.node] && a.node != node {
			continue
		}
		if a.end.Before(from.Add(-labLag)) && a.begin.Add(ttl).After(to) {
			return a, true
		}
	}
	return labAck{}, false
}

// sees checks a listing.
func (c *labCheck) sees(n *labNode, l labListing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.viewLocked(n.name)
	if l.begin.Before(v.born) {
		return
	}
	c.looks++
	if l.index < v.index {
		c.failLocked("%s: index %d after %d", n.name, l.index, v.index)
	}
	v.index = max(v.index, l.index)
	for key := range c.hosts {
		if _, there := l.keys[key]; there {
			continue
		}
		if a, must := c.mustShowLocked(key, n.name, l.begin, l.end); must {
			c.failLocked("%s does not show %s, whose heartbeat %s accepted %v before", n.name, key, a.node, l.end.Sub(a.end))
		}
	}
	for key, at := range c.dead {
		_, there := l.keys[key]
		switch {
		case there && v.gone[key]:
			c.failLocked("%s shows %s again, which was deleted %v before", n.name, key, l.end.Sub(at))
		case !there && at.Before(l.begin):
			v.gone[key] = true
		}
	}
}

func (c *labCheck) viewLocked(node string) *labView {
	v := c.views[node]
	if v == nil {
		v = &labView{gone: map[string]bool{}}
		c.views[node] = v
	}
	return v
}

// follows begins a stream of events with a listing.
func (c *labCheck) follows(n *labNode, l labListing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.viewLocked(n.name)
	if v.event = max(v.event, l.index); v.anew {
		v.event, v.anew = l.index, false
	}
	v.mirror = map[string]string{}
	for key, value := range l.keys {
		if !strings.HasSuffix(key, "/") {
			v.mirror[key] = value
		}
	}
}

// happens checks an event and takes it into the mirror.
func (c *labCheck) happens(n *labNode, e labEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.viewLocked(n.name)
	c.looks++
	if e.Node.Index <= v.event {
		c.failLocked("%s: event %s %s with index %d after %d", n.name, e.Action, e.Node.Key, e.Node.Index, v.event)
	}
	v.event = max(v.event, e.Node.Index)
	if v.mirror == nil {
		return
	}
	switch e.Action {
	case "delete", "expire", "compareAndDelete":
		delete(v.mirror, e.Node.Key)
		maps.DeleteFunc(v.mirror, func(key, _ string) bool { return strings.HasPrefix(key, e.Node.Key+"/") })
		now := time.Now()
		if a, must := c.mustShowLocked(e.Node.Key, n.name, now, now); must {
			c.failLocked("%s: %s of %s, whose heartbeat %s accepted %v before", n.name, e.Action, e.Node.Key, a.node, now.Sub(a.end))
		}
	default:
		if !e.Node.Dir {
			v.mirror[e.Node.Key] = e.Node.Value
		}
	}
}

// loses notes that a stream has ended.
func (c *labCheck) loses(n *labNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.viewLocked(n.name).mirror = nil
}

// observe looks at nodes until the test ends.
func (l *lab) observe(nodes ...*labNode) {
	for _, n := range nodes {
		l.clerks.Go(func() { l.glance(n) })
		l.clerks.Go(func() { l.follow(n) })
	}
}

// glance lists a node again and again.
func (l *lab) glance(n *labNode) {
	for l.t.Context().Err() == nil {
		if listing, err := l.list(n, labTimeout); err == nil {
			l.check.sees(n, listing)
		}
		l.pause(labGlance)
	}
}

// follow keeps a stream of a node's events.
func (l *lab) follow(n *labNode) {
	ctx := l.t.Context()
	for ctx.Err() == nil {
		if listing, err := l.list(n, labTimeout); err == nil {
			l.check.follows(n, listing)
			l.stream(ctx, n, listing.index+1)
			l.check.loses(n)
		}
		l.pause(labGlance)
	}
}

func (l *lab) pause(d time.Duration) {
	select {
	case <-l.t.Context().Done():
	case <-time.After(d):
	}
}

// stream takes a node's events from an index on to where they end.
func (l *lab) stream(ctx context.Context, n *labNode, from uint64) {
	path := fmt.Sprintf("/v2/keys/?wait=true&stream=true&recursive=true&waitIndex=%d", from)
	resp, err := l.open(ctx, n, http.MethodGet, path, "")
	if err != nil {
		return
	}
	defer resp.Body.Close()
	for events := json.NewDecoder(resp.Body); ; {
		var e labEvent
		if events.Decode(&e) != nil || e.Code != 0 {
			return
		}
		l.check.happens(n, e)
	}
}

// waitEqual waits until nodes show the same: what was put and not deleted, and the hosts
// that live; and until their streams of events came to that, too.
func (l *lab) waitEqual(within time.Duration, nodes ...*labNode) time.Duration {
	l.t.Helper()
	begin := time.Now()
	for {
		difference := l.difference(nodes)
		if difference == "" {
			return time.Since(begin)
		}
		if time.Since(begin) > within {
			l.t.Fatalf("nodes differ still after %v: %s", within, difference)
		}
		l.pause(50 * time.Millisecond)
	}
}

// difference tells in what some nodes differ from each other or from what they should
// show, "" if they do not.
func (l *lab) difference(nodes []*labNode) string {
	var first labListing
	for i, n := range nodes {
		listing, err := l.list(n, labPatience)
		if err != nil {
			return fmt.Sprintf("%s: %v", n.name, err)
		}
		if i == 0 {
			first = listing
		}
		if !maps.Equal(first.keys, listing.keys) {
			return fmt.Sprintf("%s and %s: %s", nodes[0].name, n.name, firstDifference(first.keys, listing.keys))
		}
		if d := cmp.Or(l.check.difference(n, listing), l.check.lags(n, listing)); d != "" {
			return d
		}
	}
	return ""
}

// difference tells in what a listing is not as it should be.
func (c *labCheck) difference(n *labNode, l labListing) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	want := maps.Clone(c.want)
	for key, value := range l.keys {
		if _, isHost := c.hosts[key]; isHost || strings.HasSuffix(key, "/") {
			want[key] = value
		}
	}
	for key, acks := range c.hosts {
		if _, there := l.keys[key]; !there && len(acks) > 0 && time.Since(acks[len(acks)-1].begin) < labTTL {
			return fmt.Sprintf("%s does not show %s, which lives", n.name, key)
		}
	}
	if !maps.Equal(l.keys, want) {
		return fmt.Sprintf("%s and what was written: %s", n.name, firstDifference(l.keys, want))
	}
	return ""
}

// lags tells in what the events of a node have led to another state than a listing, "" if
// they have not.
func (c *labCheck) lags(n *labNode, l labListing) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	files := maps.Clone(l.keys)
	maps.DeleteFunc(files, func(key, _ string) bool { return strings.HasSuffix(key, "/") })
	if v := c.viewLocked(n.name); v.mirror == nil || !maps.Equal(files, v.mirror) {
		return fmt.Sprintf("listing and events of %s: %s", n.name, firstDifference(files, v.mirror))
	}
	return ""
}

// wantWhole wants a node that has just started to serve within some time, and its first
// listing to be a whole one.
func (l *lab) wantWhole(within time.Duration, n *labNode) time.Duration {
	l.t.Helper()
	return l.eventually(within, n.name+" serves", func() bool {
		listing, err := l.list(n, labPatience)
		if err != nil {
			return false
		}
		if d := l.check.difference(n, listing); d != "" {
			l.t.Errorf("the first listing: %s", d)
		}
		return true
	})
}

// firstDifference shows a key in which two listings differ.
func firstDifference(a, b map[string]string) string {
	for key, value := range a {
		if other, there := b[key]; !there || other != value {
			return fmt.Sprintf("%s is %q, and %q, %t", key, value, other, there)
		}
	}
	for key, value := range b {
		if _, there := a[key]; !there {
			return fmt.Sprintf("%s is absent, and %q", key, value)
		}
	}
	return ""
}
