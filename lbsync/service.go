package lbsync

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// A service follows one prefix and holds its pool. Its events carry no meaning of their own: each only says "list
// again", so a lost, doubled or late one does no harm.
type service struct {
	name   string
	conf   Service
	source Source
	timing Timing
	log    *slog.Logger
	names  names // owned by the goroutine in follow

	mu      sync.Mutex // guards what follows; held for copying only
	pool    Pool       // the last pool that had servers
	listed  bool       // whether the registry has ever answered
	held    bool       // whether pool is kept although the registry lists no usable server
	bad     map[string]Reason
	rejects map[Reason]uint64
	contact contact
	watch   []chan<- struct{} // one-slot signals of the targets
}

// contact is what is known about the registry by asking for one prefix.
type contact struct {
	reachable bool
	last      time.Time
	failures  uint64
}

func newService(name string, conf Service, o Options) *service {
	return &service{
		name: name, conf: conf, source: o.Source, timing: o.Timing,
		log:   o.Logger.With("service", name),
		names: names{resolver: o.Resolver, now: time.Now},
		pool:  Pool{Name: name}, bad: map[string]Reason{}, rejects: map[Reason]uint64{},
	}
}

// follow keeps the pool up to date until ctx ends.
func (s *service) follow(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		index, err := s.list(ctx)
		if err == nil {
			failures = 0
			sleep(ctx, s.timing.ListGap)
			err = s.await(ctx, index)
		}
		if err != nil && ctx.Err() == nil {
			failures++
			s.failed(err)
			sleep(ctx, s.timing.retry(failures))
		}
	}
}

// list lists the prefix once and publishes what comes of it. It returns the listing's index.
func (s *service) list(ctx context.Context) (uint64, error) {
	listing, err := s.source.List(ctx, s.conf.Prefix)
	if err != nil {
		return 0, err
	}
	s.names.refresh(ctx, hostNames(listing.Entries))
	if ctx.Err() != nil {
		return 0, ctx.Err() // Half of the lookups may be missing.
	}
	pool, rejected := buildPool(s.name, s.conf.Port, listing.Entries, s.names.lookup)
	s.publish(pool, rejected)
	return listing.Index, nil
}

// await waits until it is time to list again.
func (s *service) await(ctx context.Context, index uint64) error {
	relist := s.timing.Relist
	if s.names.incomplete() {
		relist = min(relist, namelessAge)
	}
	wait, cancel := context.WithTimeout(ctx, relist)
	defer cancel()
	err := s.source.Await(wait, s.conf.Prefix, index)
	if errors.Is(err, ErrLostPlace) || wait.Err() != nil {
		return nil
	}
	return err
}

// publish replaces the pool, unless the new one is empty, and wakes the targets.
func (s *service) publish(pool Pool, rejected []Rejection) {
	s.mu.Lock()
	wasHeld, fresh := s.held, s.noteRejectionsLocked(rejected)
	changed := !s.listed || !s.pool.equal(pool)
	s.contact.reachable, s.contact.last, s.listed = true, time.Now(), true
	s.held = len(pool.Servers) == 0 && len(s.pool.Servers) > 0
	if len(pool.Servers) > 0 {
		s.pool = pool
	}
	held, kept, watch := s.held, len(s.pool.Servers), slices.Clone(s.watch)
	s.mu.Unlock()

	for _, r := range fresh {
		s.log.Warn("entry rejected", "key", shorten(r.Key), "reason", string(r.Reason))
	}
	if held != wasHeld {
		s.log.Warn("pool without servers in the registry", "held", held, "servers_kept", kept)
	}
	if changed {
		s.log.Debug("pool changed", "servers", kept, "rejected", len(rejected))
		wake(watch)
	}
}

// wake sets one-slot signals; those that are set already stay so.
func wake(signals []chan<- struct{}) {
	for _, c := range signals {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// noteRejectionsLocked remembers the rejections and returns those that are new.
func (s *service) noteRejectionsLocked(rejected []Rejection) []Rejection {
	bad := make(map[string]Reason, len(rejected))
	var fresh []Rejection
	for _, r := range rejected {
		bad[r.Key] = r.Reason
		if s.bad[r.Key] != r.Reason {
			s.rejects[r.Reason]++
			fresh = append(fresh, r)
		}
	}
	s.bad = bad
	return fresh
}

// failed notes that the registry could not be asked; the pool stays.
func (s *service) failed(err error) {
	s.mu.Lock()
	was := s.contact.reachable || s.contact.failures == 0
	s.contact.reachable = false
	s.contact.failures++
	s.mu.Unlock()
	if was {
		s.log.Warn("registry unreachable, pool kept", "error", err)
	}
}

// remember sets the servers of an earlier run, as long as the registry has not said anything.
func (s *service) remember(pool Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listed && len(s.pool.Servers) == 0 {
		s.pool = Pool{Name: s.name, Servers: slices.Clone(pool.Servers)}
	}
}

// snapshot returns the pool and whether the registry has answered yet.
func (s *service) snapshot() (Pool, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pool.clone(), s.listed
}

// shorten keeps a hostile key from filling the log; the handler quotes what is left.
func shorten(key string) string {
	const most = 128
	if len(key) > most {
		return key[:most] + "..."
	}
	return key
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
