package lbsync

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testPolicy has the defaults of lbsync.yaml.
func testPolicy(change func(*policy)) policy {
	p := policy{
		maxLoss: 0.15, lossWindow: 30 * time.Second, maxHold: 10 * time.Minute, badGrace: time.Minute,
		onEmpty: OnEmptyKeep, damping: true, probe: true,
	}
	if change != nil {
		change(&p)
	}
	return p
}

// guardRun drives a guard with virtual time. Hosts are numbers: host n has the key k<n> and the address 10.0.0.<n>:80.
type guardRun struct {
	t     *testing.T
	g     *guard
	now   time.Time
	view  map[int]candidate
	cause map[string]cause
	asked []string // the keys that why was asked for in the latest observe
	named []int    // the hosts that the latest decide named for a probe
}

func newRun(t *testing.T, change func(*policy)) *guardRun {
	t.Helper()
	return &guardRun{
		t: t, g: newGuard(testPolicy(change)), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		view: map[int]candidate{}, cause: map[string]cause{},
	}
}

func hostAddr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 80)
}

func hostServer(n int) Server { return Server{Addr: hostAddr(n), Weight: DefaultWeight, State: Up} }

func hostKey(n int) string { return fmt.Sprintf("k%d", n) }

func hostNumber(a netip.AddrPort) int {
	b := a.Addr().As4()
	return int(b[2])<<8 | int(b[3])
}

// span are the numbers from first to last.
func span(first, last int) []int {
	var all []int
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

// list adds hosts to the view and observes.
func (r *guardRun) list(hosts ...int) {
	r.t.Helper()
	for _, n := range hosts {
		r.view[n] = candidate{key: hostKey(n), server: hostServer(n)}
	}
	r.observe()
}

// lose takes hosts from the view for a cause and observes.
func (r *guardRun) lose(c cause, hosts ...int) {
	r.t.Helper()
	for _, n := range hosts {
		r.cause[r.view[n].key] = c
		delete(r.view, n)
	}
	r.observe()
}

func (r *guardRun) observe() {
	r.t.Helper()
	var present []candidate
	for _, c := range r.view {
		present = append(present, c)
	}
	r.asked = nil
	r.g.observe(r.now, present, func(key string) cause {
		r.asked = append(r.asked, key)
		return r.cause[key]
	})
}

func (r *guardRun) decide() decision {
	r.t.Helper()
	d := r.g.decide(r.now)
	r.named = nil
	for _, a := range d.probes {
		r.named = append(r.named, hostNumber(a))
	}
	return d
}

// pass lets time pass, stopping whenever the guard wants to be asked.
func (r *guardRun) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for {
		next := r.decide().next
		if next.IsZero() || next.After(end) {
			break
		}
		r.now = next
	}
	r.now = end
}

func (r *guardRun) answer(alive bool, hosts ...int) {
	for _, n := range hosts {
		r.g.probed(r.now, hostAddr(n), alive)
	}
}

// want checks the pool.
func (r *guardRun) want(what string, hosts ...int) {
	r.t.Helper()
	var got []int
	for _, s := range r.decide().servers {
		got = append(got, hostNumber(s.Addr))
	}
	if !slices.Equal(got, hosts) {
		r.t.Errorf("%s: pool is %v, want %v", what, got, hosts)
	}
}

func (r *guardRun) wantSize(what string, size int) {
	r.t.Helper()
	if got := len(r.decide().servers); got != size {
		r.t.Errorf("%s: pool has %d servers, want %d", what, got, size)
	}
}

func (r *guardRun) wantProbes(what string, hosts ...int) {
	r.t.Helper()
	r.decide()
	if !slices.Equal(r.named, hosts) {
		r.t.Errorf("%s: probes %v, want %v", what, r.named, hosts)
	}
}

func (r *guardRun) status(n int) HostStatus {
	r.t.Helper()
	for _, h := range r.decide().hosts {
		if h.Addr == hostAddr(n) {
			return h
		}
	}
	return HostStatus{}
}

// wantHost checks a host's verdict and that its reason has the words.
func (r *guardRun) wantHost(n int, v Verdict, reason string) {
	r.t.Helper()
	h := r.status(n)
	if h.Verdict != v || !strings.Contains(h.Reason, reason) {
		r.t.Errorf("host %d: %q because %q, want %q because %q", n, h.Verdict, h.Reason, v, reason)
	}
}

func (r *guardRun) wantTimes(n int, since, until time.Time) {
	r.t.Helper()
	h := r.status(n)
	if d := cmp.Diff([2]time.Time{since, until}, [2]time.Time{h.Since, h.Until}); d != "" {
		r.t.Errorf("host %d: since and until: -want +got\n%s", n, d)
	}
}

// keyOf returns the key of the host's entry, also of a host that left lately; empty for unknown.
func (g *guard) keyOf(addr netip.AddrPort) string {
	if h := g.hosts[addr]; h != nil {
		return h.key
	}
	return ""
}
