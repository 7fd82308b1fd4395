package lbsync

import (
	"slices"
	"testing"
	"time"
)

// TestLoss tells how many hosts of 50 stay, for each cause.
func TestLoss(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cause  cause
		lost   int
		change func(*policy)
		stay   int
	}{
		{"expired 50 to 1", causeExpired, 49, nil, 43},
		{"expired 50 to 30", causeExpired, 20, nil, 43},
		{"expired 50 to 43", causeExpired, 7, nil, 43},
		{"expired 50 to 42", causeExpired, 8, nil, 43},
		{"expired 50 to 0", causeExpired, 50, nil, 43},
		{"deleted 50 to 1", causeDeleted, 49, nil, 1},
		{"deleted 50 to 30", causeDeleted, 20, nil, 30},
		{"deleted 50 to 43", causeDeleted, 7, nil, 43},
		{"deleted 50 to 0", causeDeleted, 50, nil, 50},
		{"unknown 50 to 1", causeUnknown, 49, nil, 50},
		{"unknown 50 to 30", causeUnknown, 20, nil, 50},
		{"unknown 50 to 43", causeUnknown, 7, nil, 50},
		{"unknown 50 to 0", causeUnknown, 50, nil, 50},
		{"rejected 50 to 30", causeRejected, 20, nil, 50},
		{"rejected without grace", causeRejected, 20, func(p *policy) { p.badGrace = 0 }, 43},
		{"no protection", causeExpired, 49, func(p *policy) { p.maxLoss = 1 }, 1},
		{"no protection, min_servers", causeExpired, 49, func(p *policy) { p.maxLoss = 1; p.minServers = 20 }, 20},
		{"min_servers above the budget's rest", causeExpired, 20, func(p *policy) { p.minServers = 48 }, 48},
		{"min_servers above the pool", causeExpired, 20, func(p *policy) { p.minServers = 60 }, 50},
		{"min_servers and deletion", causeDeleted, 20, func(p *policy) { p.minServers = 48 }, 30},
		{"one may always go", causeExpired, 3, func(p *policy) { p.maxLoss = 0 }, 49},
		{"a share that binary has not", causeExpired, 50, func(p *policy) { p.maxLoss = 0.58 }, 21},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(t, tt.change)
			r.list(span(1, 50)...)
			r.pass(time.Second)
			r.lose(tt.cause, span(1, tt.lost)...)
			r.wantSize("after the loss", tt.stay)
		})
	}
}

func TestLossOrderIsByAddress(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 20)...)
	r.lose(causeExpired, 9, 7, 8, 3, 5)
	gone := r.decide().servers
	for _, n := range []int{3, 5, 7} {
		if slices.ContainsFunc(gone, func(s Server) bool { return s.Addr == hostAddr(n) }) {
			t.Errorf("host %d is in the pool", n)
		}
		r.wantHost(n, VerdictOut, "lease expired")
	}
	r.wantHost(8, VerdictHeld, "lease expired, and no more may go (15% within 30s); stays until it is listed again")
	r.wantHost(9, VerdictHeld, "lease expired")
	if got := r.decide().preserving; got != "2 of 17: leases expired beyond what may go (15% within 30s)" {
		t.Errorf("preserving: %q", got)
	}
}

func TestLossWindowSlides(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 22)...) // Three may go within 30 s, also of the 20 that are left.
	for n := 1; n <= 3; n++ {
		r.lose(causeExpired, n)
		r.pass(10 * time.Second)
	}
	r.wantSize("three within the window", 19)
	r.lose(causeExpired, 4) // The first left 30 s ago: there is room for one again.
	r.wantSize("a fourth", 18)
	r.lose(causeExpired, 5)
	r.wantSize("a fifth is held", 18)
	r.pass(time.Minute)
	r.wantSize("room does not end a hold", 18)
}

func TestLossPeakIsOfTheWindow(t *testing.T) {
	r := newRun(t, nil)
	r.list(span(1, 40)...)
	r.lose(causeDeleted, span(1, 20)...)
	r.pass(29 * time.Second)
	r.lose(causeExpired, span(21, 26)...) // 15% of 40.
	r.wantSize("peak within the window", 14)
	r.pass(31 * time.Second)
	r.lose(causeExpired, span(27, 40)...) // 15% of 14.
	r.wantSize("peak has left the window", 12)
}

func TestExpiryIsMeasuredAfterDeletion(t *testing.T) {
	r := newRun(t, func(p *policy) { p.minServers = 10 })
	r.list(span(1, 50)...)
	for n := 1; n <= 40; n++ {
		r.cause[hostKey(n)] = causeDeleted
		delete(r.view, n)
	}
	r.lose(causeExpired, 41, 42)
	r.want("what was deleted leaves no room below min_servers", span(41, 50)...)
}

func TestValuesPassAtOnce(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3)
	r.wantHost(1, VerdictIn, "listed")
	for n, state := range map[int]State{1: Drain, 2: Down} {
		c := r.view[n]
		c.server.State = state
		r.view[n] = c
	}
	c := r.view[3]
	c.server.Weight = 7
	r.view[3] = c
	r.pass(time.Second)
	r.observe()
	r.wantHost(1, VerdictDraining, "drain")
	r.wantTimes(1, r.now, time.Time{})
	r.wantHost(2, VerdictDown, "down")
	r.wantTimes(3, r.now.Add(-time.Second), time.Time{})
	if s := r.decide().servers; s[0].State != Drain || s[1].State != Down || s[2].Weight != 7 {
		t.Errorf("servers: %+v", s)
	}
}

func TestMoves(t *testing.T) {
	for _, tt := range []struct {
		name string
		to   map[int]int // host number: the number of the key that has it now
		pool []int
		out  []int
	}{
		{"moved", map[int]int{2: 2, 4: 1}, []int{2, 4}, []int{1}},
		{"swapped", map[int]int{1: 2, 2: 1}, []int{1, 2}, nil},
		{"another key", map[int]int{1: 9, 2: 2}, []int{1, 2}, nil},
		{"a chain", map[int]int{2: 1, 3: 2}, []int{2, 3}, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(t, nil)
			r.list(1, 2)
			clear(r.view)
			for host, key := range tt.to {
				r.view[host] = candidate{key: hostKey(key), server: hostServer(host)}
			}
			r.observe()
			r.want("after the move", tt.pool...)
			for _, n := range tt.out {
				r.wantHost(n, VerdictOut, "its entry moved to 10.0.0.")
			}
			for host, key := range tt.to {
				if got := r.g.keyOf(hostAddr(host)); got != hostKey(key) {
					t.Errorf("host %d has the key %q", host, got)
				}
			}
		})
	}
}

func TestHeldHostThatMovedLeaves(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2)
	r.lose(causeUnknown, 1)
	r.want("held", 1, 2)
	r.view[7] = candidate{key: hostKey(1), server: hostServer(7)}
	r.observe()
	r.want("its entry came back elsewhere", 2, 7)
}

func TestWhyIsAskedForWhatIsNew(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3, 4)
	r.lose(causeUnknown, 1)
	if !slices.Equal(r.asked, []string{"k1"}) {
		t.Errorf("asked for %v", r.asked)
	}
	r.lose(causeRejected, 2)
	r.observe()
	slices.Sort(r.asked)
	if !slices.Equal(r.asked, []string{"k1", "k2"}) {
		t.Errorf("asked again for %v, want the one without a reason and the rejected one", r.asked)
	}
}

// A reason that comes late counts as if it had come in time: what was deleted leaves, and what has expired does within the
// budget.
func TestReasonThatComesLate(t *testing.T) {
	r := newRun(t, nil)
	r.list(1, 2, 3, 4, 5)
	r.lose(causeUnknown, 1, 2, 3)
	r.want("held", 1, 2, 3, 4, 5)
	r.cause[hostKey(1)] = causeDeleted
	r.observe()
	r.want("one was deleted", 2, 3, 4, 5)
	r.cause[hostKey(2)], r.cause[hostKey(3)] = causeExpired, causeExpired
	r.observe()
	r.want("two have expired, and one may", 3, 4, 5)
}
