package registry

import (
	"sync/atomic"
	"time"
)

// Stats is what a store can tell of itself. Counters begin at 0 when it is made.
type Stats struct {
	Index        uint64
	Files        int   // entries with a value
	Dirs         int   // directories without the root
	Leases       int   // entries that go away by themselves
	Bytes        int64 // of keys, directories and values together
	Watchers     int   // watches that wait for an event now
	History      int   // events kept
	HistoryLimit int   // events kept at most
	HistoryBytes int   // estimate of the memory that they hold

	Prefixes map[string]PrefixStats // by top-level name, of up to 100 of them
	Others   PrefixStats            // of all other names

	Operations  [nActions]Operations // by action; Expire is counted in Expirations
	Renewals    uint64               // writes that were no event: renewals and refreshes
	Expirations uint64
	Watches     uint64          // watches begun
	WatchesLost uint64          // watches that lost their place because they were slow
	Refusals    [nLimits]uint64 // writes and watches that a limit has refused, by limit

	Replication ReplicationStats
}

// ReplicationStats is what a store can tell of its part in a cluster.
type ReplicationStats struct {
	Authors    int           // boots of nodes of which there are records, the own one included
	Removals   int           // removals that are remembered
	Orphans    int           // leases that run here since their owners are gone
	Elsewhere  int           // leases that other nodes keep
	Pending    int           // heartbeats that were passed on and are not answered
	ClockAhead time.Duration // how far the highest stamp is ahead of this node's clock, 0 if it is not

	Merged     uint64 // records of other nodes that changed something here
	Refused    uint64 // records that were dropped because something was wrong with them
	Forwarded  uint64 // heartbeats passed on to the owners of the leases
	Takeovers  uint64 // leases taken over from other nodes
	Reasserted uint64 // leases of this node that another had let run out and that were written anew
	Mismatches uint64 // authors whose records were sent again because peers held others
	Resets     uint64 // replacements of this node's copy after it had been away for long
	Pauses     uint64 // times that the process was stopped and all leases were given that time
}

// Operations counts the outcomes of one action.
type Operations struct{ Success, Fail uint64 }

// Stats returns the present figures.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	st := Stats{
		Index:        s.index.last,
		Files:        s.tree.files,
		Dirs:         s.tree.dirs,
		Leases:       s.tree.leased,
		Bytes:        s.tree.bytes,
		Watchers:     s.hub.n,
		History:      s.history.events,
		HistoryLimit: s.history.maxEvents,
		HistoryBytes: s.history.bytes,
	}
	st.Prefixes, st.Others = s.tree.census.snapshot()
	st.Replication = s.replicationStatsLocked()
	s.mu.RUnlock()
	for a := range st.Operations {
		st.Operations[a] = Operations{s.stats.ok[a].Load(), s.stats.failed[a].Load()}
	}
	st.Renewals = s.stats.renewals.Load()
	st.Expirations = s.stats.expirations.Load()
	st.Watches = s.stats.watches.Load()
	st.WatchesLost = s.stats.watchesLost.Load()
	for l := range st.Refusals {
		st.Refusals[l] = s.stats.refusals[l].Load()
	}
	return st
}

func (s *Store) replicationStatsLocked() ReplicationStats {
	authors := 0
	for _, a := range s.authors {
		if !a.isSpent() {
			authors++
		}
	}
	return ReplicationStats{
		Authors:    authors,
		Removals:   s.graves.byKey.Len(),
		Orphans:    s.leases.orphans,
		Elsewhere:  s.tree.leased - len(s.leases.heap),
		Pending:    len(s.pending),
		ClockAhead: max(s.clock.ahead(time.Now(), s.clock.highest), 0),
		Merged:     s.stats.merged.Load(),
		Refused:    s.stats.refused.Load(),
		Forwarded:  s.stats.forwarded.Load(),
		Takeovers:  s.stats.takeovers.Load(),
		Reasserted: s.stats.reasserted.Load(),
		Mismatches: s.stats.mismatches.Load(),
		Resets:     s.stats.resets.Load(),
		Pauses:     s.stats.pauses.Load(),
	}
}

// counters are counted outside the mutex, too.
type counters struct {
	ok, failed  [nActions]atomic.Uint64
	renewals    atomic.Uint64
	expirations atomic.Uint64
	watches     atomic.Uint64
	watchesLost atomic.Uint64
	refusals    [nLimits]atomic.Uint64

	merged, refused, forwarded, takeovers, reasserted, mismatches, resets, pauses atomic.Uint64
}

func (c *counters) count(a Action, ok bool) {
	if ok {
		c.ok[a].Add(1)
		return
	}
	c.failed[a].Add(1)
}
