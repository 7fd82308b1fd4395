package registry

import "sync/atomic"

// Stats is what a store can tell of itself. Counters begin at 0 when it is made.
type Stats struct {
	Index        uint64
	Files        int // entries with a value
	Dirs         int // directories without the root
	Leases       int // entries that go away by themselves
	Watchers     int // watches that wait for an event now
	History      int // events kept
	HistoryLimit int // events kept at most
	HistoryBytes int // estimate of the memory that they hold

	Operations  [nActions]Operations // by action; Expire is counted in Expirations
	Renewals    uint64               // writes that were no event: renewals and refreshes
	Expirations uint64
	Watches     uint64 // watches begun
	WatchesLost uint64 // watches that lost their place because they were slow
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
		Leases:       len(s.leases.heap),
		Watchers:     s.hub.n,
		History:      s.history.events,
		HistoryLimit: s.history.maxEvents,
		HistoryBytes: s.history.bytes,
	}
	s.mu.RUnlock()
	for a := range st.Operations {
		st.Operations[a] = Operations{s.stats.ok[a].Load(), s.stats.failed[a].Load()}
	}
	st.Renewals = s.stats.renewals.Load()
	st.Expirations = s.stats.expirations.Load()
	st.Watches = s.stats.watches.Load()
	st.WatchesLost = s.stats.watchesLost.Load()
	return st
}

// counters are counted outside the mutex, too.
type counters struct {
	ok, failed  [nActions]atomic.Uint64
	renewals    atomic.Uint64
	expirations atomic.Uint64
	watches     atomic.Uint64
	watchesLost atomic.Uint64
}

func (c *counters) count(a Action, ok bool) {
	if ok {
		c.ok[a].Add(1)
		return
	}
	c.failed[a].Add(1)
}
