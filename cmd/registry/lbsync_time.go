package main

import (
	"time"

	"rollcall/registry"
)

// maxChangeAge is how long ago a change that has just arrived may have been made. An index that says more is of a registry
// whose indexes are not times, such as etcd.
const maxChangeAge = time.Minute

// changeTime reads from an index when the node that answers made the change. Where the index does not tell, the change
// counts from now.
func changeTime(index uint64) time.Time {
	now := time.Now()
	ahead, _ := registry.IndexAhead(index, now)
	if ahead > 0 || ahead < -maxChangeAge {
		return now
	}
	return now.Add(ahead)
}
