package lbsync

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// tend decides the pool anew whenever the view has changed or time has passed, until ctx ends.
func (s *service) tend(ctx context.Context) {
	var probes sync.WaitGroup
	defer probes.Wait()
	for ctx.Err() == nil {
		next := s.decide(ctx, &probes)
		timer := time.NewTimer(time.Until(next))
		select {
		case <-s.dirty:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// decide makes the pool of what is known now, has held hosts probed, and returns when to do so again without news.
func (s *service) decide(ctx context.Context, probes *sync.WaitGroup) (next time.Time) {
	next = time.Now().Add(s.timing.Relist)
	s.observe(ctx)
	if ctx.Err() != nil {
		return next
	}
	s.mu.Lock()
	d := s.decideLocked(time.Now())
	s.mu.Unlock()
	if probes != nil {
		for _, addr := range d.probes {
			probes.Go(func() { s.probe(ctx, addr) })
		}
	}
	if s.names.incomplete() {
		next = time.Now().Add(namelessAge)
	}
	if !d.next.IsZero() && d.next.Before(next) {
		next = d.next
	}
	return next
}

// observe parses the view and shows it to the guard.
func (s *service) observe(ctx context.Context) {
	s.mu.Lock()
	if !s.listed || !s.view.fresh && !s.conf.HostNames { // A host name's address may be another one.
		s.mu.Unlock()
		return
	}
	entries, gone := s.view.take()
	s.stamps.taken()
	s.inPool = s.index
	s.mu.Unlock()

	r := reading{port: s.conf.Port, hostNames: s.conf.HostNames, resolve: s.names.lookup}
	if r.hostNames {
		s.names.refresh(ctx, hostNames(entries))
		if ctx.Err() != nil {
			return // Half of the lookups may be missing.
		}
	}
	usable, rejected := r.candidates(entries)
	bad := make(map[string]bool, len(rejected))
	for _, no := range rejected {
		bad[no.Key] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refsLocked(entries, usable)
	s.noteRejectionsLocked(rejected)
	s.guard.observe(time.Now(), usable, func(key string) cause {
		if bad[key] {
			return causeRejected
		}
		return gone[key]
	})
	s.observed = true
}

// decideLocked replaces the pool by what the guard says, and wakes the targets when it is another one.
func (s *service) decideLocked(now time.Time) decision {
	d := s.guard.decide(now)
	pool := Pool{Name: s.name, Servers: d.servers}
	if d.preserving != s.decided.preserving {
		s.log.Warn("loss protection", "preserving", d.preserving, "servers", len(d.servers))
	}
	s.decided = d
	s.forgetRefsLocked()
	first := s.observed && !s.current
	s.current = s.observed
	if s.stamps.decided() || first || !s.pool.equal(pool) {
		s.pool, s.poolRefs = pool, s.refsOfLocked(pool)
		s.log.Debug("pool changed", "servers", len(pool.Servers), "rejected", len(s.rejected))
		wake(s.watch)
	}
	return d
}

func (s *service) probe(ctx context.Context, addr netip.AddrPort) {
	alive := s.prober.look(ctx, addr)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	s.guard.probed(time.Now(), addr, alive)
	s.mu.Unlock()
	wakeOne(s.dirty)
}

// release lets all held hosts go and returns how many.
func (s *service) release() int {
	s.mu.Lock()
	n := s.guard.release(time.Now())
	s.mu.Unlock()
	s.log.Warn("held hosts released by the operator", "hosts", n)
	wakeOne(s.dirty)
	return n
}

// refsLocked remembers which entry each address comes from.
func (s *service) refsLocked(entries []Entry, usable []candidate) {
	values := make(map[string]string, len(entries))
	for _, e := range entries {
		values[e.Key] = e.Value
	}
	for _, c := range usable {
		s.refs[c.server.Addr] = hostRef{key: c.key, hash: ValueHash(values[c.key])}
	}
}

// refsOfLocked returns the entries of a pool's addresses. The map is not changed any more.
func (s *service) refsOfLocked(pool Pool) map[netip.AddrPort]hostRef {
	refs := make(map[netip.AddrPort]hostRef, len(pool.Servers))
	for _, server := range pool.Servers {
		if ref, known := s.refs[server.Addr]; known {
			refs[server.Addr] = ref
		}
	}
	return refs
}

// forgetRefsLocked keeps the references within bounds.
func (s *service) forgetRefsLocked() {
	if len(s.refs) <= 2*len(s.decided.hosts)+1 {
		return
	}
	known := make(map[netip.AddrPort]bool, len(s.decided.hosts))
	for _, h := range s.decided.hosts {
		known[h.Addr] = true
	}
	maps.DeleteFunc(s.refs, func(addr netip.AddrPort, _ hostRef) bool { return !known[addr] })
}

// noteRejectionsLocked remembers the rejections, and logs and counts those that are new.
func (s *service) noteRejectionsLocked(rejected []Rejection) {
	before := make(map[Rejection]time.Time, len(s.rejected))
	for _, r := range s.rejected {
		before[r.Rejection] = r.since
	}
	s.rejected = s.rejected[:0:0]
	for _, r := range rejected {
		since, known := before[r]
		if !known {
			since = time.Now()
			s.rejects[r.Reason]++
			s.log.Warn("entry rejected", "key", shorten(r.Key), "reason", string(r.Reason))
		}
		s.rejected = append(s.rejected, rejection{Rejection: r, since: since})
	}
}

// A snapshot is a pool with what targets need besides it.
type snapshot struct {
	pool Pool
	// known tells whether the pool counts: the registry has answered, or is away and an earlier run has left servers.
	known bool
	// mayBeEmpty tells that a pool without servers is what the operator wants.
	mayBeEmpty bool
	// mark is the place in the service's changes that the pool was made from, and index that in the registry's.
	mark, index uint64
	// refs are the entries that the pool's addresses come from.
	refs map[netip.AddrPort]hostRef
}

func (s *service) snapshot() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return snapshot{
		pool:       s.pool.clone(),
		known:      s.current || s.recalled && s.contact.failures > 0,
		mayBeEmpty: s.conf.OnEmpty == OnEmptyEmpty && s.current,
		mark:       s.stamps.inPool,
		index:      s.inPool,
		refs:       s.poolRefs,
	}
}

// entries returns the servers of the pool that come from entries, with their keys.
func (s snapshot) entries() []candidate {
	var out []candidate
	for _, server := range s.pool.Servers {
		if ref := s.refs[server.Addr]; ref.key != "" {
			out = append(out, candidate{key: ref.key, server: server})
		}
	}
	return out
}

// stampsBetween returns when the changes between two marks were made.
func (s *service) stampsBetween(after, upTo uint64) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stamps.between(after, upTo)
}

// maxStamps bounds how many changes wait to be measured.
const maxStamps = 4096

// stamps numbers the changes of a service and remembers when the latest were made.
type stamps struct {
	latest  uint64 // number of the latest change
	view    uint64 // of the latest one in the view that was taken last
	inPool  uint64 // of the latest one in the pool
	moments []time.Time
}

func (s *stamps) add(at time.Time) {
	s.latest++
	s.moments = append(s.moments, at)
	if over := len(s.moments) - maxStamps; over > 0 {
		s.moments = slices.Delete(s.moments, 0, over)
	}
}

func (s *stamps) taken() { s.view = s.latest }

// decided notes that the view has become the pool, and tells whether there were changes in it.
func (s *stamps) decided() bool {
	fresh := s.inPool != s.view
	s.inPool = s.view
	return fresh
}

func (s *stamps) between(after, upTo uint64) []time.Time {
	first := s.latest - uint64(len(s.moments)) // number of the change before the first moment
	from, to := max(after, first), max(upTo, first)
	if from >= to {
		return nil
	}
	return slices.Clone(s.moments[from-first : to-first])
}
