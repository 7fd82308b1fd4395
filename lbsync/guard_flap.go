package lbsync

import (
	"net/netip"
	"time"
)

const (
	// flapWindow is within which more than flapsFree departures make a host a flapping one, and how long it must be calm
	// until that is forgotten.
	flapWindow = time.Minute
	flapsFree  = 3
	// flapStay is how long a host must have been in for its removal to be no flap.
	flapStay = 500 * time.Millisecond
	// maxDamping bounds the wait of a host that comes back.
	maxDamping = time.Minute
	// maxFlapLevel is where the wait, which doubles with each departure, has reached maxDamping.
	maxFlapLevel = 6
)

// flapped tells whether a departure counts. A host that is taken out on purpose does not flap, unless it has hardly been
// in: a deploy takes hosts out and puts them back, and nobody is to wait for them.
func (h *guardHost) flapped(now time.Time) bool {
	return h.exit.kind != exitOnPurpose || now.Sub(h.came) < flapStay
}

// flapMemory knows by address which hosts come and go.
type flapMemory map[netip.AddrPort]*flap

type flap struct {
	// left are the latest departures, while there are no more than flapsFree within flapWindow.
	left []time.Time
	// level is how many departures there have been beyond flapsFree.
	level int
	// last is the latest unrest: a departure, the end of a wait, or being listed no longer while waiting.
	last time.Time
}

// calm tells whether all is forgiven.
func (f *flap) calm(now time.Time) bool { return now.Sub(f.last) >= flapWindow }

// departed counts a host that was in the pool and has left it.
func (m flapMemory) departed(now time.Time, addr netip.AddrPort) {
	f := m[addr]
	if f == nil || f.calm(now) {
		f = &flap{}
		m[addr] = f
	}
	f.last = now
	if f.level > 0 {
		f.level = min(f.level+1, maxFlapLevel)
		return
	}
	for len(f.left) > 0 && now.Sub(f.left[0]) >= flapWindow {
		f.left = f.left[1:]
	}
	f.left = append(f.left, now)
	f.level = max(0, len(f.left)-flapsFree)
}

// stir notes that a flapping host is not calm.
func (m flapMemory) stir(now time.Time, addr netip.AddrPort) {
	if f := m[addr]; f != nil {
		f.last = now
	}
}

// wait is how long a host must stay listed before it comes back: 2 s for the first departure too many, 4 s for the second.
func (m flapMemory) wait(now time.Time, addr netip.AddrPort) time.Duration {
	f := m[addr]
	if f == nil || f.level == 0 || f.calm(now) {
		return 0
	}
	return min(time.Second<<f.level, maxDamping)
}

// forget drops the calm ones.
func (m flapMemory) forget(now time.Time) {
	for addr, f := range m {
		if f.calm(now) {
			delete(m, addr)
		}
	}
}
