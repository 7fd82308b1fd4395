package registry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Defaults of [Options].
const (
	DefaultHistory      = 64 << 10
	DefaultHistoryBytes = 64 << 20
	DefaultWatchQueue   = 4 << 10
	DefaultRetention    = 24 * time.Hour
)

// Options configure a [Store]. The zero value is ready to use.
type Options struct {
	// Tag marks this node's indexes, 1 to [MaxTag]; 0 means 1.
	Tag uint64
	// AfterIndex is the last index that a former run of this node may have given
	// out, 0 if none. All indexes of this run are larger.
	AfterIndex uint64
	// History is how many events are kept for watches that resume, in all;
	// 0 means [DefaultHistory].
	History int
	// HistoryBytes bounds the memory of these events, keys and values included;
	// 0 means [DefaultHistoryBytes]. An event counts some 256 bytes beside them.
	HistoryBytes int
	// WatchQueue is how many unread events a watch may have before it loses its
	// place; 0 means [DefaultWatchQueue]. An unread event takes 8 bytes a watch.
	WatchQueue int
	// Author identifies this run of the node among those that replicate, see [NewAuthor];
	// 0 means a new one.
	Author uint64
	// Retention is how long removals are remembered, so that a node that was away does
	// not bring back what was removed; 0 means [DefaultRetention].
	Retention time.Duration
	// ClockSkew is added to the wall clock in the stamps of records, for tests of nodes
	// whose clocks are wrong.
	ClockSkew time.Duration
	// Limits bound what clients may make the node hold; zero is no limit at all.
	Limits Limits
	// Log gets what is wrong with records from other nodes; nil discards it.
	Log *slog.Logger
	// RenewalEvents makes each renewal an event with its place in the history, as
	// etcd does, to the letter. Every heartbeat then wakes all watches.
	RenewalEvents bool
}

// Store holds the state of one node. All methods may be called concurrently.
type Store struct {
	renewalEvents bool
	limits        Limits
	watchQueue    int    // unread events a watch may have
	start         uint64 // the index the node began with
	stats         counters
	wake          chan struct{} // one slot: a lease ends earlier than Run expects
	looking       sync.Mutex    // held while a watch looks back; above mu
	picturing     sync.Mutex    // held while a snapshot is made; above mu
	news          chan struct{} // one slot: there may be something for peers
	retention     time.Duration
	log           *slog.Logger
	journal       Journal // nil until Attach

	// mu guards what follows. It is held for the time of one operation on memory;
	// nothing waits under it, except Watch.mu, which is held as shortly.
	mu      sync.RWMutex
	tree    tree
	leases  leases
	index   indexes
	history history
	hub     hub
	sleeps  time.Time // when Run looks next; zero while it is awake or not started

	clock   clock
	self    *author // this run of this node
	authors map[uint64]*author
	graves  graves
	peered  bool      // whether there ever was another node
	beat    time.Time // when Run was last seen to be awake; zero while it does not run
	pending map[Key]*pendingRenewal
	reset   *resetSession // nil unless this node's copy is being replaced
	unclean bool          // the copy is to be replaced until that has come to an end
	ended   uint64        // token of the latest replacement that did

	// mismatches counts comparisons in a row in which a peer with equal marks had other sums.
	mismatches int
	unsaved    *unsaved
	care       care      // of the write under way
	pruned     time.Time // when the authors were last looked through
	delayed    []delayed // expiries that others may object to, in the order of their time
}

// New returns an empty store. Leases end by themselves only while [Store.Run] runs;
// without it they end at the next operation.
func New(o Options) *Store {
	if o.Tag == 0 || o.Tag > MaxTag {
		o.Tag = 1
	}
	if o.History <= 0 {
		o.History = DefaultHistory
	}
	if o.HistoryBytes <= 0 {
		o.HistoryBytes = DefaultHistoryBytes
	}
	if o.WatchQueue <= 0 {
		o.WatchQueue = DefaultWatchQueue
	}
	if o.Author == 0 {
		o.Author = NewAuthor(time.Now())
	}
	if o.Retention <= 0 {
		o.Retention = DefaultRetention
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	unsaved := newUnsaved()
	s := &Store{
		renewalEvents: o.RenewalEvents,
		limits:        o.Limits,
		tree:          newTree(unsaved),
		graves:        graves{unsaved: unsaved},
		unsaved:       unsaved,
		leases:        leases{epoch: time.Now()},
		index:         newIndexes(o.Tag, o.AfterIndex, time.Now()),
		watchQueue:    o.WatchQueue,
		wake:          make(chan struct{}, 1),
		news:          make(chan struct{}, 1),
		retention:     o.Retention,
		log:           o.Log,
		clock:         clock{skew: o.ClockSkew},
		self:          &author{id: o.Author, alive: true},
		pending:       make(map[Key]*pendingRenewal),
	}
	s.authors = map[uint64]*author{o.Author: s.self}
	s.start = s.index.last
	s.history = newHistory(o.History, o.HistoryBytes, s.start-1)
	return s
}

// Index returns the node's current index: that of its latest write.
func (s *Store) Index() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.last
}

// GetOptions say what a read of a directory shows.
type GetOptions struct {
	// Recursive shows all levels below, not only the first.
	Recursive bool
}

// Result is the answer to a read.
type Result struct {
	Listing
	Index uint64 // the node's index at the time of the read

	// Rendering keeps the encoded listing of a directory until it changes. It is
	// nil for files, which are cheaper to encode than to keep.
	Rendering *Rendering
}

// Get reads a key. Entries are sorted by name. It fails with an [*Error] of
// [CodeKeyNotFound] or [CodeNotDir].
func (s *Store) Get(key Key, o GetOptions) (Result, error) {
	s.expireDue(time.Now())
	r, err := s.read(key, o)
	s.stats.count(Get, err == nil)
	if err != nil {
		return Result{}, err
	}
	return r, nil
}

// read is Get without what is due and without the counting.
func (s *Store) read(key Key, o GetOptions) (Result, *Error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, err := s.tree.find(key)
	if err != nil {
		err.Index = s.index.last
		return Result{}, err
	}
	r := Result{Listing: Listing{Node: at.node}, Index: s.index.last}
	if at.node.IsDir() {
		what := oneLevel
		if o.Recursive {
			what = allLevels
		}
		snap := s.tree.list(at.node, what)
		r.Listing, r.Rendering = snap.listing, &snap.rendering
	}
	return r, nil
}

// expiryBatch bounds how many leases end while the mutex is held once.
const expiryBatch = 256

// Run ends leases when they run out and does what else has its time, until the context
// ends.
func (s *Store) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	upkeep := time.NewTicker(upkeepInterval)
	defer upkeep.Stop()
	s.setBeat(time.Now())
	defer s.setBeat(time.Time{})
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
		case <-upkeep.C:
			s.upkeep()
			continue
		}
		if wait, ok := s.expireAndPlan(time.Now()); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// setBeat notes that Run is awake, or with the zero time that it does not run.
func (s *Store) setBeat(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat = t
}

// expireAndPlan ends what is due and returns how long nothing more will be; false
// when no lease is left.
func (s *Store) expireAndPlan(now time.Time) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	next, ok := s.leases.next()
	s.sleeps = next
	return next.Sub(now), ok
}

// expireDue ends what is due before an operation, so that none sees an entry that
// has outlived its lease. Between batches others get their turn.
func (s *Store) expireDue(now time.Time) {
	for s.isDue(now) {
		s.expireBatch(now)
	}
}

func (s *Store) expireBatch(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
}

func (s *Store) isDue(now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.leases.isDue(now)
}

// expireLocked ends leases that have run out, the earliest first, at most a batch.
func (s *Store) expireLocked(now time.Time) {
	s.compensateLocked(now)
	for range expiryBatch {
		l := s.leases.expired(now)
		if l == nil {
			return
		}
		at, err := s.tree.find(l.key)
		if err != nil || at.node.lease() != l {
			panic("registry: a lease without its node: " + string(l.key))
		}
		s.stats.expirations.Add(1)
		s.removeLocked(now, at, Expire)
	}
}

// planLocked wakes Run when a lease now ends before it would look.
func (s *Store) planLocked() {
	next, ok := s.leases.next()
	if !ok || !s.sleeps.IsZero() && !next.Before(s.sleeps) {
		return
	}
	s.sleeps = next
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
