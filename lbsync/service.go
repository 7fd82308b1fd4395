package lbsync

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// A service follows one prefix and decides its pool. Two goroutines work on it: follow keeps the view of the registry
// up to date, tend makes the pool of it. What passes between them is the whole view, never a single event, so a
// lost, doubled or late one does no harm; events only add why a key has gone.
type service struct {
	name   string
	conf   Service
	source Source
	timing Timing
	since  func(index uint64) time.Time // when a change was made
	log    *slog.Logger
	prober *prober
	dirty  chan struct{} // one slot: tend has something to do
	names  names         // owned by the goroutine in tend

	mu       sync.Mutex // guards what follows; held for short work only
	view     *view
	index    uint64 // of the view
	owed     uint64 // from where the history is still to be read, see list; 0: from nowhere
	tries    int    // how often it was tried
	inPool   uint64 // of the view that the pool was made from
	listed   bool   // whether the registry has ever answered
	observed bool   // whether the guard has seen a listing
	current  bool   // whether the pool is made of one
	recalled bool   // whether there are servers of an earlier run
	guard    *guard
	decided  decision
	pool     Pool
	poolRefs map[netip.AddrPort]hostRef // of the pool's addresses; replaced as a whole
	stamps   stamps
	refs     map[netip.AddrPort]hostRef
	rejected []rejection
	rejects  map[Reason]uint64
	contact  contact
	watch    []chan<- struct{} // one-slot signals of the targets
}

// contact is what is known about the registry by asking for one prefix.
type contact struct {
	reachable bool
	last      time.Time
	failures  uint64
}

// A hostRef is the entry that an address comes from.
type hostRef struct{ key, hash string }

// A rejection is a Rejection and when it began.
type rejection struct {
	Rejection
	since time.Time
}

func newService(name string, conf Service, o Options) *service {
	return &service{
		name: name, conf: conf, source: o.Source, timing: o.Timing, since: o.IndexTime,
		log:    o.Logger.With("service", name),
		prober: o.prober,
		dirty:  make(chan struct{}, 1),
		names:  names{resolver: o.Resolver, now: time.Now},
		view:   newView(), guard: newGuard(conf.policy()),
		pool: Pool{Name: name}, refs: map[netip.AddrPort]hostRef{}, rejects: map[Reason]uint64{},
	}
}

// follow keeps the view up to date until ctx ends.
func (s *service) follow(ctx context.Context) {
	for failures, doubts := 0, 0; ctx.Err() == nil; {
		err := s.list(ctx)
		if err == nil {
			failures = 0
			sleep(ctx, s.timing.ListGap)
			doubts++
			err = s.changes(ctx, &doubts)
			if doubts > freeDoubts {
				sleep(ctx, s.timing.retry(doubts-freeDoubts))
			}
		}
		if err != nil && ctx.Err() == nil {
			failures++
			s.failed(err)
			sleep(ctx, s.timing.retry(failures))
		}
	}
}

// freeDoubts is how many listings in a row may be made at once because the watch after the one before was lost; a registry
// that loses every watch is not to be listed all the time.
const freeDoubts = 5

// list replaces the view by a listing. Keys that are missing without an event are looked up in the registry's history, and
// once more with later listings when it could not be read.
func (s *service) list(ctx context.Context) error {
	listing, err := s.source.List(ctx, s.conf.Prefix)
	if err != nil {
		return err
	}
	s.mu.Lock()
	missing, after := s.view.missing(listing.Entries), cmp.Or(s.owed, s.index)
	s.mu.Unlock()
	var changes []Change
	read := true
	if len(missing) > 0 && after != 0 {
		changes, read = s.history(ctx, missing, after, listing.Index)
	}
	s.mu.Lock()
	s.view.replace(listing.Entries, changes)
	s.index = listing.Index
	s.oweLocked(after, read)
	first := !s.listed
	s.listed = true
	s.heardLocked()
	s.mu.Unlock()
	if first {
		s.log.Debug("listed", "entries", len(listing.Entries), "index", listing.Index)
	}
	wakeOne(s.dirty)
	return nil
}

const (
	// explainTimeout bounds the look into the history: when it tells nothing, the hosts are held, and time tells.
	explainTimeout = time.Second
	// explainRest is the same once all is explained. What is left are changes of other prefixes, which nobody tells.
	explainRest = 50 * time.Millisecond
	// explainTries is how many listings look for the same part of the history, which are all within ten minutes.
	explainTries = 10
)

// oweLocked notes from where the history has to be read by the next listing, if anything is still to be explained.
func (s *service) oweLocked(after uint64, read bool) {
	if s.tries++; read || len(s.view.unexplained) == 0 || s.tries >= explainTries {
		s.owed, s.tries = 0, 0
		clear(s.view.unexplained)
		return
	}
	s.owed = after
}

// history reads the changes from one index to another, for why keys are missing, and tells whether there is no more to be
// learnt. A history that does not reach back, or belongs to another registry, tells nothing.
func (s *service) history(ctx context.Context, missing map[string]bool, after, upTo uint64) (changes []Change, read bool) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	for after < upTo {
		c, err := s.past(ctx, len(missing) == 0, after)
		switch {
		case errors.Is(err, ErrLostPlace):
			return changes, true
		case err != nil:
			return changes, len(missing) == 0
		case c.Index > upTo || c.Index <= after:
			return changes, true
		}
		changes = append(changes, c)
		after = c.Index
		c.explains(missing)
	}
	return changes, true
}

// past returns the next change of the history.
func (s *service) past(ctx context.Context, explained bool, after uint64) (Change, error) {
	if explained {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, explainRest)
		defer cancel()
	}
	return s.source.Next(ctx, s.conf.Prefix, after)
}

// changes applies changes until it is time to list again. A watch that has worked leaves no doubts.
func (s *service) changes(ctx context.Context, doubts *int) error {
	wait, cancel := context.WithTimeout(ctx, s.timing.relist())
	defer cancel()
	for {
		c, err := s.source.Next(wait, s.conf.Prefix, s.place())
		switch {
		case errors.Is(err, ErrLostPlace):
			return nil
		case wait.Err() != nil:
			*doubts = 0
			return nil
		case err != nil:
			return err
		}
		if !s.apply(c) {
			return nil
		}
		*doubts = 0
	}
}

// apply takes over one change and tells whether the view is still sure to be right.
func (s *service) apply(c Change) (sure bool) {
	s.mu.Lock()
	s.heardLocked()
	if c.Index <= s.index { // Doubled or late: it may undo what came after it.
		s.mu.Unlock()
		return false
	}
	changed, sure := s.view.apply(c)
	s.index = c.Index
	if changed && c.Kind == ChangeSet {
		s.stamps.add(s.since(c.Index))
	}
	s.mu.Unlock()
	if changed {
		wakeOne(s.dirty)
	}
	return sure
}

func (s *service) place() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index
}

func (s *service) heardLocked() {
	now := time.Now()
	s.contact.reachable, s.contact.last = true, now
	s.guard.contact(now, true)
}

// failed notes that the registry could not be asked; the pool stays.
func (s *service) failed(err error) {
	s.mu.Lock()
	was := s.contact.reachable || s.contact.failures == 0
	s.contact.reachable = false
	s.contact.failures++
	s.guard.contact(time.Now(), false)
	watch := s.watch
	s.mu.Unlock()
	if was {
		s.log.Warn("registry unreachable, pool kept", "error", err)
		wake(watch) // A remembered pool counts from now on.
	}
}

// remember sets the pool of an earlier run, as long as the registry has not said anything. Its entries become the view,
// so that the first listing, and the history since then, tell what has gone and why.
func (s *service) remember(saved savedService) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listed || s.recalled || len(saved.hosts) == 0 {
		return
	}
	s.recalled, s.index = true, saved.index
	for _, c := range saved.hosts {
		s.view.entries[c.key] = ""
		s.refs[c.server.Addr] = hostRef{key: c.key}
	}
	now := time.Now()
	s.guard.contact(now, false)
	s.guard.remember(now, saved.hosts)
	s.decideLocked(now)
}

// wake sets one-slot signals; those that are set already stay so.
func wake(signals []chan<- struct{}) {
	for _, c := range signals {
		wakeOne(c)
	}
}

func wakeOne(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
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
