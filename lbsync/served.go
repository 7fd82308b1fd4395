package lbsync

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
)

// generation names a file: 16 hexadecimal digits, empty for none.
func generation(file []byte) string {
	if file == nil {
		return ""
	}
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:8])
}

// servedNow returns what the balancer serves. A driver that asks its balancer says so; for the others it is what the applied
// file says, and what an old worker may still be finishing. It is called with t.mu held and reads what the phases own, as they call it.
func (t *target) servedNow(live Live) []Served {
	if live.Servers != nil {
		return live.Servers
	}
	if t.applied == nil || string(t.applied) != string(t.desired) {
		return t.served
	}
	now := servedByFile(t.pools, live.OldWorkers)
	if live.OldWorkers == 0 {
		return now
	}
	return append(now, leavers(t.served, now)...)
}

// servedByFile is what a balancer serves that runs the file. Old workers may have sessions at any server, of which those
// matter that get nothing new.
func servedByFile(pools []Pool, oldWorkers int) []Served {
	var out []Served
	for _, p := range pools {
		for _, s := range p.Servers {
			one := Served{Service: p.Name, Addr: s.Addr, State: s.State, Health: "unknown"}
			if s.State != Up {
				one.Sessions = oldWorkers
			}
			out = append(out, one)
		}
	}
	return out
}

// leavers are those of before that are not there now. How many sessions they have is not known: one, as long as there
// are workers that may have one.
func leavers(before, now []Served) []Served {
	type place struct {
		service string
		addr    netip.AddrPort
	}
	there := make(map[place]bool, len(now))
	for _, s := range now {
		there[place{s.Service, s.Addr}] = true
	}
	var out []Served
	for _, s := range before {
		if !there[place{s.Service, s.Addr}] {
			s.Leaving, s.Sessions = true, 1
			out = append(out, s)
		}
	}
	return out
}

func countLeaving(all []Served) int {
	n := 0
	for _, s := range all {
		if s.Leaving {
			n++
		}
	}
	return n
}

// anyLeaving tells whether something is to be looked at again soon.
func (t *target) anyLeaving() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.served, func(s Served) bool { return s.Leaving })
}

// refsNow returns the entries of a service's addresses: those of the pool that is applied now, and, of servers that the
// balancer has not let go yet, those from before. It is called with t.mu held.
func (t *target) refsNow(service int, snap snapshot) map[netip.AddrPort]hostRef {
	refs := make(map[netip.AddrPort]hostRef, len(snap.refs))
	maps.Copy(refs, snap.refs)
	for _, s := range t.served {
		if ref, known := t.refs[service][s.Addr]; known && s.Service == snap.pool.Name {
			if _, newer := refs[s.Addr]; !newer {
				refs[s.Addr] = ref
			}
		}
	}
	return refs
}
