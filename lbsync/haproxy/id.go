package haproxy

import (
	"hash/fnv"

	"rollcall/lbsync"
)

// maxID is the highest server id to use; balancing by hash and several tools expect no more.
const maxID = 32767

// assignIDs gives each server an id that follows from its address, so that adding or removing others leaves it alone.
// Where two addresses meet at one id, the larger address takes the next free one.
func assignIDs(servers []lbsync.Server) []int {
	taken := make(map[int]bool, len(servers))
	ids := make([]int, len(servers))
	for i, s := range servers {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(s.Addr.String())) // A hash never fails.
		id := int(hash.Sum32()%maxID) + 1
		for taken[id] && len(taken) < maxID {
			id = id%maxID + 1
		}
		taken[id] = true
		ids[i] = id
	}
	return ids
}
