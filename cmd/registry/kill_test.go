package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/lbsync/lbtest/ports"
)

var killRounds = flag.Int("kill.rounds", 6, "how often each of the TestKill tests kills")

// A node that is killed at any moment under load comes back with all that it has acknowledged.
func TestKillOne(t *testing.T) {
	t.Parallel()
	f := newMortals(t, 1)
	for range *killRounds {
		f.round(f.nodes[0])
	}
	f.conclude()
}

// So does a node of three, while the others go on, and all three killed at once.
func TestKillOfThree(t *testing.T) {
	t.Parallel()
	f := newMortals(t, 3)
	for i := range *killRounds {
		if i%3 == 2 {
			f.round(f.nodes...)
		} else {
			f.round(f.nodes[f.rand.IntN(3)])
		}
	}
	f.conclude()
}

// mortals are some nodes with data directories that are written to and killed.
type mortals struct {
	t     *testing.T
	rand  *rand.Rand
	nodes []*mortal
	spell [2]time.Duration // how long they are written to before a kill, at least and at most
	kills int
}

// mortal is a node through all its lives.
type mortal struct {
	args    []string
	process *serving
	base    atomic.Pointer[string] // URL of the process
	scribes []*scribe
	last    uint64 // the highest index that it has shown
}

func newMortals(t *testing.T, size int) *mortals {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := &mortals{t: t, rand: rand.New(rand.NewPCG(seed, 0)), spell: [2]time.Duration{20 * time.Millisecond, 400 * time.Millisecond}}
	var addrs []string
	for range size {
		addr, err := ports.FreeAddr(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, addr)
	}
	for i, addr := range addrs {
		name := fmt.Sprint("n", i)
		m := &mortal{args: []string{anyPort, "--name", name, "--data-dir", filepath.Join(t.TempDir(), name)}}
		if size > 1 {
			m.args = append(m.args, "--gossip-listen", addr, "--join", strings.Join(addrs, ","))
		}
		for j := range 8 {
			m.scribes = append(m.scribes, newScribe(fmt.Sprintf("%s-%d", name, j), f.rand.Uint64()))
		}
		f.nodes = append(f.nodes, m)
	}
	f.start(f.nodes...)
	return f
}

// start starts nodes and waits until they serve.
func (f *mortals) start(nodes ...*mortal) {
	f.t.Helper()
	for _, m := range nodes {
		m.process = startProcess(f.t, nil, m.args...)
		m.base.Store(&m.process.base)
	}
	for _, m := range nodes {
		eventually(f.t, "ok\n", func() string { return answer(f.t, http.MethodGet, m.process.base+"/readyz", "") })
	}
}

// round has all nodes written to, kills some of them meanwhile, starts them again and looks
// at what is there.
func (f *mortals) round(victims ...*mortal) {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	defer stop()
	var writing sync.WaitGroup
	for _, m := range f.nodes {
		for _, s := range m.scribes {
			writing.Go(func() { s.write(ctx, m.process.base) })
		}
	}
	time.Sleep(f.spell[0] + rand.N(f.spell[1]-f.spell[0])) // any moment
	for _, m := range victims {
		_ = m.process.cmd.Process.Kill() // its state is looked at below
	}
	killed := time.Now()
	for _, m := range victims {
		<-m.process.exited
		f.kills++
	}
	f.start(victims...)
	stop()
	writing.Wait()
	for _, m := range f.nodes {
		for _, s := range m.scribes {
			m.last = max(m.last, s.last)
		}
	}
	f.check(killed)
}

// check compares what the nodes hold with what they have acknowledged.
func (f *mortals) check(killed time.Time) {
	f.t.Helper()
	all := f.listing(f.nodes[0])
	eventually(f.t, "equal", func() string {
		all = f.listing(f.nodes[0])
		for _, m := range f.nodes[1:] {
			if different := compare(all, f.listing(m)); different != "" {
				return different
			}
		}
		return "equal"
	})
	known := 0
	for _, m := range f.nodes {
		own := f.listing(m)
		for _, s := range m.scribes {
			if s.err != nil {
				f.t.Errorf("%s: %v", s.name, s.err)
			}
			for key, fate := range s.fates {
				if wrong := fate.settle(own[key], killed); wrong != "" {
					f.t.Errorf("%s after %d kills: %s", key, f.kills, wrong)
				}
				if fate.value == "" {
					delete(s.fates, key)
				} else {
					known++
				}
			}
		}
	}
	if len(all) != known {
		f.t.Errorf("%d keys are there, %d are known", len(all), known)
	}
}

// compare returns a key whose value is not the same, with both values, or "".
func compare(a, b map[string]kept) string {
	for key, value := range a {
		if b[key].value != value.value {
			return fmt.Sprintf("%s: %q and %q", key, value.value, b[key].value)
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d and %d keys", len(a), len(b))
	}
	return ""
}

// kept is what a node shows of a key.
type kept struct {
	value string // "" for none
	index uint64 // of its last change
}

// listing returns all that a node holds of what is written here, by key. Its indexes must not have gone back.
func (f *mortals) listing(m *mortal) map[string]kept {
	f.t.Helper()
	resp := request(f.t, http.MethodGet, m.process.base+"/v2/keys/kill?recursive=true", "")
	var reply struct{ Node shownNode }
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		f.t.Fatal(err)
	}
	index, err := strconv.ParseUint(resp.Header.Get("X-Etcd-Index"), 10, 64)
	if err != nil || index < m.last {
		f.t.Errorf("index %d, %v, after %d", index, err, m.last)
	}
	m.last = index
	all := map[string]kept{}
	reply.Node.collect(all)
	return all
}

type shownNode struct {
	Key           string
	Value         string
	Dir           bool
	ModifiedIndex uint64
	Nodes         []shownNode
}

func (n shownNode) collect(into map[string]kept) {
	if !n.Dir {
		into[n.Key] = kept{n.Value, n.ModifiedIndex}
	}
	for _, child := range n.Nodes {
		child.collect(into)
	}
}

// conclude tells what was done, and that it was something.
func (f *mortals) conclude() {
	f.t.Helper()
	acks := f.acks()
	f.t.Logf("%d kills, %d acknowledged writes", f.kills, acks)
	if acks < 20*f.kills {
		f.t.Errorf("%d kills among %d acknowledged writes is no load", f.kills, acks)
	}
}

func (f *mortals) acks() (n int) {
	for _, m := range f.nodes {
		for _, s := range m.scribes {
			n += s.acks
		}
	}
	return n
}

// scribe writes keys of its own, one after the other, and knows what must become of them.
type scribe struct {
	name   string
	rand   *rand.Rand
	fates  map[string]*fate
	pause  time.Duration // between two writes
	n      int           // counts its values
	acks   int           // writes that were acknowledged
	last   uint64        // the highest index that an answer has shown
	err    error         // an answer that should not be
	client *http.Client
}

// fate is what is known of a key.
type fate struct {
	kept             // what was acknowledged last
	leased bool      // it has a TTL, and was written once
	at     time.Time // when that was acknowledged

	open    bool   // there was no answer to a write
	pending string // which was this value, or a removal
}

// settle judges what a node shows of a key, and takes that for what it is from now on.
func (f *fate) settle(got kept, killed time.Time) (wrong string) {
	late := f.leased && f.value != "" && f.at.After(killed.Add(-time.Second))
	switch {
	case got.value == f.value && (f.leased || got.value == "" || got.index == f.index):
	case f.open && got.value == f.pending:
	case late && got.value == "": // it had a second
	default:
		wrong = fmt.Sprintf("there is %+v; known is %+v", got, *f)
	}
	f.kept, f.open = got, false
	return wrong
}

func newScribe(name string, seed uint64) *scribe {
	return &scribe{
		name: name, rand: rand.New(rand.NewPCG(seed, 0)), fates: map[string]*fate{},
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConns: 1}},
	}
}

// write goes on until the context ends or the node does not answer.
func (s *scribe) write(ctx context.Context, base string) {
	defer s.client.CloseIdleConnections()
	for ctx.Err() == nil && s.step(base+"/v2/keys") {
		if s.pause > 0 {
			time.Sleep(s.pause)
		}
	}
}

// maxLeased is how many hosts a scribe registers, beside its five keys.
const maxLeased = 30

// step makes one write. It reports false if that has not been answered.
func (s *scribe) step(keys string) bool {
	key := fmt.Sprintf("/kill/%s/%d", s.name, s.rand.IntN(5))
	host, hosts := s.host()
	s.n++
	switch n := s.rand.IntN(10); {
	case n == 0:
		return s.remove(keys, key)
	case n < 4 && hosts < maxLeased:
		return s.put(keys, fmt.Sprintf("/kill/%s/host%d", s.name, s.n), "86400")
	case n < 6 && hosts > 0:
		return s.remove(keys, host)
	default:
		return s.put(keys, key, "")
	}
}

// host returns one of the hosts that are registered, and how many there are.
func (s *scribe) host() (key string, n int) {
	for k, fate := range s.fates {
		if fate.leased {
			key = k
			n++
		}
	}
	return key, n
}

func (s *scribe) put(keys, key, ttl string) bool {
	f := s.fate(key)
	f.leased = ttl != ""
	return s.do(http.MethodPut, keys, key, f, url.Values{"value": {fmt.Sprint("v", s.n)}, "ttl": {ttl}})
}

func (s *scribe) remove(keys, key string) bool {
	return s.do(http.MethodDelete, keys, key, s.fate(key), url.Values{"value": {""}})
}

func (s *scribe) fate(key string) *fate {
	if s.fates[key] == nil {
		s.fates[key] = &fate{}
	}
	return s.fates[key]
}

// do sends a write and notes what is known after it.
func (s *scribe) do(method, keys, key string, f *fate, form url.Values) bool {
	f.open, f.pending = true, form.Get("value")
	req, err := http.NewRequest(method, keys+key, strings.NewReader(form.Encode()))
	if err != nil {
		s.err = err
		return false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var reply struct {
		ErrorCode int
		Index     uint64
		Node      shownNode
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return false
	}
	s.last = max(s.last, reply.Index, reply.Node.ModifiedIndex)
	switch {
	case reply.ErrorCode == 0:
		f.kept, f.open, f.at = kept{f.pending, reply.Node.ModifiedIndex}, false, time.Now()
		s.acks++
	case reply.ErrorCode == 100 && method == http.MethodDelete && f.value == "":
		f.open = false
	default:
		s.err = fmt.Errorf("%s %s: %+v", method, key, reply)
	}
	return true
}
