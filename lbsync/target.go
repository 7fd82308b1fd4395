package lbsync

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A phase does one step of bringing a target to its pools and returns the next one; nil ends.
//
//	wait -> gather -> build -> render -> check -> replace -> reload -> verify -> wait
//
// build and render may find that there is nothing to do; every phase from render on may fail, which puts the last good
// file back where the new one is in place already, and tries again from build after a pause.
type phase func(context.Context) phase

// A target keeps one file. Desired, written and applied are apart: desired is what the pools ask for, written is what
// lies on the disk, applied is what the balancer is known to run.
type target struct {
	conf     Target
	services []*service
	timing   Timing
	log      *slog.Logger
	signal   chan struct{} // one slot: some pool has changed
	file     liveFile

	// What follows belongs to the goroutine that runs the phases.
	rest      phase // where a round ends: wait, or nil for a single round
	settled   bool  // whether to go on without services that the registry has not answered for
	since     time.Time
	pools     []Pool
	desired   []byte
	written   []byte // nil: no file
	applied   []byte // nil: unknown
	good      []byte // the last file known to work, or found at start; nil: none
	candidate string
	proof     Proof
	free      time.Time // end of the last reload
	failures  int       // in a row
	lastErr   error

	mu    sync.Mutex // guards stats
	stats TargetStats
}

func newTarget(conf Target, services []*service, o Options) *target {
	t := &target{
		conf: conf, services: services, timing: o.Timing,
		log:    o.Logger.With("balancer", conf.Driver.Kind(), "config", conf.Config),
		signal: make(chan struct{}, 1),
		file:   openLive(conf.Config),
		stats:  TargetStats{Config: conf.Config, Kind: conf.Driver.Kind(), Failures: map[Step]uint64{}},
	}
	for _, step := range Steps() {
		t.stats.Failures[step] = 0
	}
	for _, s := range services {
		s.watch = append(s.watch, t.signal)
	}
	return t
}

// start reads what an earlier run has left.
func (t *target) start() {
	written, err := t.file.read()
	if err != nil {
		t.log.Warn("configuration unreadable", "error", err)
	}
	t.written, t.good = written, written
	pools, err := loadMemory(t.file)
	if err != nil {
		t.log.Warn("remembered pools unreadable", "error", err)
	}
	for _, p := range pools {
		for _, s := range t.services {
			if s.name == p.Name {
				s.remember(p)
			}
		}
	}
}

// run goes through the phases until ctx ends.
func (t *target) run(ctx context.Context) {
	t.rest = t.wait
	for next := t.wait; next != nil; {
		next = next(ctx)
	}
}

// once does a single round with what the services have now.
func (t *target) once(ctx context.Context) error {
	t.settled = true
	for next := phase(t.build); next != nil; {
		next = next(ctx)
	}
	return t.lastErr
}

// wait blocks until there is a reason for a round: a changed pool, the pause after a failure, or the time to compare the
// file with what it should be.
func (t *target) wait(ctx context.Context) phase {
	if t.failures > 0 {
		sleep(ctx, t.timing.retry(t.failures))
		return t.unlessEnded(ctx, t.build)
	}
	pause := t.timing.Relist
	if !t.since.IsZero() && !t.settled {
		pause = t.timing.Settle
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-t.signal:
		return t.gather
	case <-timer.C:
		return t.build
	case <-ctx.Done():
		return nil
	}
}

// gather lets a burst of changes become one.
func (t *target) gather(ctx context.Context) phase {
	first := time.Now()
	for last := first; ; {
		timer := time.NewTimer(time.Until(t.timing.actAt(first, last, t.free)))
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
	t.lastErr = nil
	pools, listed := t.collect()
	if listed > 0 && t.since.IsZero() {
		t.since = time.Now()
	}
	t.settled = t.settled || listed == len(t.services) ||
		listed > 0 && time.Since(t.since) >= t.timing.Settle
	if listed == 0 || !t.settled {
		return t.rest
	}
	if !anyServer(pools) {
		t.lastErr = ErrNoServers
		t.log.Info("waiting for the first server, nothing written")
		return t.rest
	}
	t.pools = pools
	return t.render
}

// collect copies the pools and counts those that the registry has answered for.
func (t *target) collect() (pools []Pool, listed int) {
	for _, s := range t.services {
		pool, known := s.snapshot()
		pools = append(pools, pool)
		if known {
			listed++
		}
	}
	return pools, listed
}

func anyServer(pools []Pool) bool {
	for _, p := range pools {
		if len(p.Servers) > 0 {
			return true
		}
	}
	return false
}

// render makes the desired file and compares. A file that is right but was not put there by this process goes
// through all phases once: nobody knows whether the balancer has loaded it.
func (t *target) render(context.Context) phase {
	desired, err := t.conf.Driver.Render(t.pools)
	if err == nil {
		err = lint(desired)
	}
	if err != nil {
		return t.fail(StepRender, err)
	}
	written, err := t.file.read()
	if err != nil {
		return t.fail(StepWrite, err)
	}
	t.desired, t.written = desired, written
	if bytes.Equal(t.applied, desired) && bytes.Equal(written, desired) {
		return t.inSync()
	}
	return t.check
}

// check writes the candidate and has the balancer examine it, and not the live file.
func (t *target) check(ctx context.Context) phase {
	candidate, err := t.file.stage(t.desired)
	if err != nil {
		return t.fail(StepWrite, err)
	}
	if err := t.conf.Driver.CheckCandidate(ctx, candidate); err != nil {
		_ = os.Remove(candidate) // The next candidate removes what is left.
		if ctx.Err() != nil {
			return nil
		}
		return t.fail(StepCheck, err)
	}
	t.log.Debug("candidate accepted")
	t.candidate = candidate
	return t.replace
}

// replace puts the candidate in place. From here to the end of the round a stop is not obeyed: the commands have limits
// of their own, and a round that ends in the middle leaves the balancer with another file than it runs.
func (t *target) replace(ctx context.Context) phase {
	if err := t.file.replace(t.candidate); err != nil {
		_ = os.Remove(t.candidate) // As in check.
		return t.fail(StepWrite, err)
	}
	t.written = t.desired
	if err := t.conf.Driver.CheckLive(context.WithoutCancel(ctx)); err != nil {
		return t.fail(StepCheck, errors.Join(err, t.restore()))
	}
	return t.reload
}

func (t *target) reload(ctx context.Context) phase {
	t.applied = nil
	proof, err := t.conf.Driver.Reload(context.WithoutCancel(ctx))
	t.free = time.Now()
	if err != nil {
		return t.fail(StepReload, errors.Join(err, t.restoreGood()))
	}
	t.log.Debug("reload accepted")
	t.proof = proof
	return t.verify
}

// verify waits for the balancer to be seen with the new file. When it is not, nobody knows what it runs, so the last
// good file is loaded again.
func (t *target) verify(ctx context.Context) phase {
	ctx = context.WithoutCancel(ctx)
	err := t.proof(ctx)
	t.free = time.Now()
	if err == nil {
		t.applied = t.desired
		return t.commit()
	}
	err = errors.Join(err, t.restoreGood())
	if _, again := t.conf.Driver.Reload(ctx); again != nil {
		err = errors.Join(err, again)
	}
	return t.fail(StepVerify, err)
}

// restore puts the last good file back, or takes the new one away where there was none.
func (t *target) restore() error {
	if t.good == nil {
		t.written = nil
		return t.file.remove()
	}
	return t.restoreGood()
}

// restoreGood puts the last good file back. Where there was none, the new one stays: its check was good, and a balancer
// that does not run yet needs a file to start with.
func (t *target) restoreGood() error {
	if t.good == nil || bytes.Equal(t.good, t.written) {
		return nil
	}
	if err := t.file.write(t.good); err != nil {
		return err
	}
	t.written = t.good
	return nil
}

func (t *target) unlessEnded(ctx context.Context, next phase) phase {
	if ctx.Err() != nil {
		return nil
	}
	return next
}
