package lbsync

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A phase does one step of bringing a target to its pools and returns the next one; nil ends.
//
//	wait -> gather -> build -> render -> live -+-> check -> replace -+-> reload -> verify -> wait
//	                                           +-> wait              +-> wait
//
// live changes the running balancer as far as it can be changed without a reload. What is left are the file, which is
// checked before it replaces the old one, and a reload where live says that there must be one. The check of a change that
// is applied already goes on beside wait. Every phase from render on may fail; then the last good file is put back where
// the new one is in place already, and the round is tried again after a pause, or as soon as a pool changes.
type phase func(context.Context) phase

// A target keeps one file. Desired, written and applied are apart: desired is what the pools ask for, written is what
// lies on the disk, applied is what the balancer is known to run.
type target struct {
	conf     Target
	services []*service
	timing   Timing
	pace     Pace
	log      *slog.Logger
	signal   chan struct{} // one slot: some pool has changed
	changed  chan<- struct{}
	file     liveFile
	state    stateDir

	// What follows belongs to the goroutine that runs the phases.
	rest      phase // where a round ends: wait, or nil for a single round
	settled   bool  // whether to go on without services that the registry has not answered for
	since     time.Time
	snapshots []snapshot
	pools     []Pool
	rendered  []Pool // what desired was made of
	desired   []byte
	written   []byte // nil: no file
	unread    error  // why the file could not be read
	applied   []byte // nil: unknown
	good      []byte // the last file known to work, or found at start; nil: none
	candidate string
	staged    []byte     // what the candidate holds
	checking  chan error // the answer of a check that goes on beside other rounds; nil: none does
	stopCheck func()     // ends it early
	proof     Proof
	running   Live
	why       string      // why a reload is needed; empty for none
	reloads   []time.Time // ends of the latest
	reloadAt  time.Time   // when the reload that is needed may begin; zero: none is waiting
	refused   int         // reloads that have failed in a row
	unwritten time.Time   // when the file fell behind what is applied; zero: it has not
	due       time.Time   // when to begin a round without a signal; zero: by the drift interval alone
	acted     time.Time   // when the balancer was last changed
	busy      bool        // whether that was soon after the change before it
	failures  int         // in a row
	lastErr   error

	mu     sync.Mutex // guards what follows
	stats  TargetStats
	status TargetStatus
	served []Served
	marks  []uint64                     // of each service, the changes that are applied
	refs   []map[netip.AddrPort]hostRef // of each service, the entries of what is applied or leaving
	delays Histogram
}

func newTarget(conf Target, services []*service, o Options) *target {
	kind := conf.Driver.Kind()
	t := &target{
		conf: conf, services: services, timing: o.Timing, pace: conf.Pace.withDefaults(),
		log:     o.Logger.With("balancer", kind, "config", conf.Config),
		signal:  make(chan struct{}, 1),
		changed: o.changed,
		file:    openLive(conf.Config),
		stats:   newTargetStats(conf.Config, kind),
		status:  TargetStatus{Config: conf.Config, Kind: kind, Services: conf.Services, Since: time.Now()},
		marks:   make([]uint64, len(services)),
		refs:    make([]map[netip.AddrPort]hostRef, len(services)),
		delays:  newHistogram(changeBuckets),
	}
	t.state = openState(o.StateDir, t.file)
	for _, s := range services {
		s.watch = append(s.watch, t.signal)
	}
	return t
}

// start makes sure that no other lbsync keeps the file, and reads what an earlier run has left.
func (t *target) start() (release func(), err error) {
	release, err = t.file.lock()
	if err != nil {
		return nil, err
	}
	t.recall()
	return release, nil
}

// recall reads the file, and gives the services the pools of an earlier run.
func (t *target) recall() {
	written, err := t.file.read()
	if err != nil {
		t.log.Warn("configuration unreadable", "error", err)
	}
	t.written = written
	if len(bytes.TrimSpace(written)) > 0 { // HAProxy loads an empty file and serves nothing.
		t.good = written
	}
	saved, err := t.state.load()
	if err != nil {
		t.log.Warn("remembered pools unreadable", "error", err)
	}
	if saved.file != nil {
		t.good = saved.file
	}
	for _, s := range t.services {
		s.remember(saved.services[s.name])
	}
}

// run goes through the phases until ctx ends.
func (t *target) run(ctx context.Context) {
	t.rest = t.wait
	for next := t.wait; next != nil; {
		next = next(ctx)
	}
	t.dropCheck()
}

// once does a single round with what the services have now.
func (t *target) once(ctx context.Context) error {
	t.settled = true
	for next := phase(t.build); next != nil; {
		next = next(ctx)
	}
	return t.lastErr
}

// wait blocks until there is a reason for a round: a changed pool, the pause after a failure, something put off, or the
// time to look at the balancer and its file.
func (t *target) wait(ctx context.Context) phase {
	timer := time.NewTimer(time.Until(t.nextRound(time.Now())))
	defer timer.Stop()
	select {
	case <-t.signal:
		return t.gather
	case err := <-t.checking:
		t.checking = nil
		return t.checked(ctx, err)
	case <-timer.C:
		return t.build
	case <-ctx.Done():
		return nil
	}
}

// nextRound returns when to begin a round without a signal.
func (t *target) nextRound(now time.Time) time.Time {
	if t.failures > 0 {
		return now.Add(t.timing.retry(t.failures))
	}
	pause := t.timing.Drift
	switch {
	case !t.since.IsZero() && !t.settled:
		pause = min(pause, t.timing.Settle)
	case t.anyLeaving():
		pause = min(pause, t.timing.Sweep)
	}
	at := now.Add(pause)
	if !t.due.IsZero() && t.due.Before(at) {
		return t.due
	}
	return at
}

// gather lets a burst of changes become one. Where a change costs no reload it only keeps rounds apart.
func (t *target) gather(ctx context.Context) phase {
	first := time.Now()
	for last := first; ; {
		at := t.timing.actAt(first, last, t.acted)
		if t.running.Hot {
			at = later(first, t.acted.Add(t.timing.LiveGap))
		}
		timer := time.NewTimer(time.Until(at))
		select {
		case <-t.signal:
			last = time.Now()
			timer.Stop()
		case <-timer.C:
			return t.build
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// build collects the pools, when enough of them are known.
func (t *target) build(context.Context) phase {
	t.lastErr, t.due = nil, time.Time{}
	snapshots, known := t.collect()
	if known > 0 && t.since.IsZero() {
		t.since = time.Now()
	}
	t.settled = t.settled || known == len(t.services) ||
		known > 0 && time.Since(t.since) >= t.timing.Settle
	if known == 0 || !t.settled {
		return t.rest
	}
	pools := t.poolsOf(snapshots)
	if !anyServer(pools) && !anyServer(t.pools) && !mayBeEmpty(snapshots) {
		t.lastErr = ErrNoServers
		t.log.Info("waiting for the first server, nothing written")
		return t.rest
	}
	t.snapshots, t.pools = snapshots, pools
	return t.render
}

// collect copies the pools and counts those that count.
func (t *target) collect() (snapshots []snapshot, known int) {
	for _, s := range t.services {
		snap := s.snapshot()
		snapshots = append(snapshots, snap)
		if snap.known {
			known++
		}
	}
	return snapshots, known
}

// poolsOf returns the pools as this balancer is to see them: servers of other zones are backups where its own has one.
func (t *target) poolsOf(snapshots []snapshot) []Pool {
	pools := make([]Pool, len(snapshots))
	for i, snap := range snapshots {
		pools[i] = snap.pool.inZone(t.conf.Zone)
	}
	return pools
}

func anyServer(pools []Pool) bool {
	for _, p := range pools {
		if len(p.Servers) > 0 {
			return true
		}
	}
	return false
}

func mayBeEmpty(snapshots []snapshot) bool {
	for _, s := range snapshots {
		if s.mayBeEmpty {
			return true
		}
	}
	return false
}

// render makes the desired file, unless it was made of the same pools before.
func (t *target) render(context.Context) phase {
	if t.desired == nil || !slices.EqualFunc(t.pools, t.rendered, Pool.equal) {
		desired, err := t.conf.Driver.Render(t.pools)
		if err == nil {
			err = cmp.Or(Lint(desired), LintServers(desired, t.pools))
		}
		if err != nil {
			return t.fail(StepRender, err)
		}
		t.desired, t.rendered = desired, t.pools
	}
	// A file that cannot be read is no reason to leave the running balancer as it is; check comes back to it.
	t.written, t.unread = t.file.read()
	return t.live
}

var errNoAnswer = errors.New("the balancer does not answer")

// live brings the running balancer as far as it goes without a reload, and decides what else has to be done.
func (t *target) live(ctx context.Context) phase {
	live, err := t.conf.Driver.Live(context.WithoutCancel(ctx), t.desired)
	t.sawLive(live, err)
	same := bytes.Equal(t.applied, t.desired)
	t.why = ""
	switch {
	case err != nil && !same:
		t.why = "the balancer cannot be asked: " + err.Error()
	case err != nil:
		return t.fail(StepRuntime, err)
	case live.Blind && !same:
		t.why = "the file has changed"
	case live.Blind:
	case !live.Running && same:
		return t.fail(StepRuntime, errNoAnswer) // It may have been stopped; loading the same file again would not help.
	case !live.Running:
		t.why = errNoAnswer.Error()
	case live.Reload != "":
		t.why = live.Reload
	default:
		t.apply()
	}
	if t.why != "" {
		return t.pacing(ctx)
	}
	t.reloadAt = time.Time{}
	if bytes.Equal(t.written, t.desired) {
		return t.inSync()
	}
	return t.putOff
}

// pacing lets a reload begin when the pace allows it; until then other rounds go on. A reload that was refused is put off
// for longer each time where changes reach the balancer without it: HAProxy pauses its listeners while it tries.
func (t *target) pacing(ctx context.Context) phase {
	now := time.Now()
	if t.reloadAt.IsZero() {
		t.reloadAt = t.pace.next(now, t.reloads)
		if t.refused > 0 && t.running.Servers != nil {
			t.reloadAt = later(t.reloadAt, now.Add(t.timing.refusal(t.refused)))
		}
	}
	if now.Before(t.reloadAt) {
		if t.rest != nil {
			t.due = t.reloadAt
			return t.rest
		}
		sleep(ctx, t.reloadAt.Sub(now))
	}
	return t.check
}

func (t *target) reload(ctx context.Context) phase {
	t.applied = nil
	t.log.Info("reload", "reason", t.why)
	began := time.Now()
	proof, err := t.conf.Driver.Reload(context.WithoutCancel(ctx))
	if err != nil {
		t.reloaded(began, err)
		t.refused++
		return t.fail(StepReload, errors.Join(err, t.restoreGood()))
	}
	t.log.Debug("reload accepted")
	t.proof = func(ctx context.Context) error {
		err := proof(ctx)
		t.reloaded(began, err)
		return err
	}
	return t.verify
}

// verify waits for the balancer to be seen with the new file. When it is not, nobody knows what it runs, so the last
// good file is loaded again.
func (t *target) verify(ctx context.Context) phase {
	ctx = context.WithoutCancel(ctx)
	err := t.proof(ctx)
	if err == nil {
		t.refused = 0
		return t.confirm
	}
	t.refused++
	err = errors.Join(err, t.restoreGood())
	if _, again := t.conf.Driver.Reload(ctx); again != nil {
		err = errors.Join(err, again)
	}
	return t.fail(StepVerify, err)
}

// confirm looks at the balancer after a reload. It has loaded the file; if its servers are still not those of the file,
// the file is not to blame, and the round is tried again.
func (t *target) confirm(ctx context.Context) phase {
	live, err := t.conf.Driver.Live(context.WithoutCancel(ctx), t.desired)
	t.sawLive(live, err)
	if err == nil && live.Running && live.Reload != "" {
		err = errors.New("after the reload: " + live.Reload)
	}
	t.apply()
	if err != nil {
		t.saveGood()
		return t.fail(StepVerify, err)
	}
	return t.commit()
}
