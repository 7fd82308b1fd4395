package haproxy

import (
	"hash/fnv"
	"net/netip"

	"rollcall/lbsync"
)

// maxID is the highest server id to use; balancing by hash and several tools expect no more.
const maxID = 32767

// assignIDs gives each server of a pool an id. One that runs keeps the id with which it runs, since HAProxy cannot change
// it. For the others it follows from the address, so that adding or removing servers leaves it alone; where two
// meet at one id, the later one takes the next that is free. A running server that is about to go keeps its id as well.
func assignIDs(p lbsync.Pool, running map[ref]int) []int {
	taken := map[int]bool{}
	for at, id := range running {
		if at.backend == p.Name {
			taken[id] = true
		}
	}
	ids := make([]int, len(p.Servers))
	for i, s := range p.Servers {
		id, ok := running[ref{p.Name, s.Name()}]
		if !ok {
			id = freeID(s.Addr, taken)
		}
		taken[id] = true
		ids[i] = id
	}
	return ids
}

// freeID follows from the address unless that id is taken.
func freeID(addr netip.AddrPort, taken map[int]bool) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(addr.String())) // A hash never fails.
	id := int(hash.Sum32()%maxID) + 1
	for taken[id] && len(taken) < maxID {
		id = id%maxID + 1
	}
	return id
}
