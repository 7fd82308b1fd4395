package lbsync

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"
)

// The phases from a desired file to the file in its place, and the way back.

// putOff lets changes that are applied already gather before the file is checked and written: a check takes longer
// than the change did. The first change after calm is written at once.
func (t *target) putOff(context.Context) phase {
	now := time.Now()
	if t.unwritten.IsZero() {
		t.unwritten = now
	}
	limit := t.unwritten.Add(t.timing.MaxDelay)
	switch {
	case t.checking != nil:
		return t.rest // What has come since the candidate is the next one's.
	case t.rest == nil || !t.busy || !now.Before(limit):
		return t.check
	}
	t.busy = false
	t.due = now.Add(t.timing.Quiet)
	if t.due.After(limit) {
		t.due = limit
	}
	return t.rest
}

// check writes the candidate and has the balancer examine it, and not the live file. Where the running balancer has the
// change already, the next one does not wait for the examination, which may take long.
func (t *target) check(ctx context.Context) phase {
	t.dropCheck()
	if t.unread != nil {
		return t.fail(StepWrite, t.unread)
	}
	candidate, err := t.file.stage(t.desired)
	if err != nil {
		return t.fail(StepWrite, err)
	}
	t.candidate, t.staged = candidate, t.desired
	if t.why != "" || t.rest == nil {
		return t.checked(ctx, t.conf.Driver.CheckCandidate(ctx, candidate))
	}
	answer := make(chan error, 1)
	ctx, t.stopCheck = context.WithCancel(ctx)
	t.checking = answer
	go func() { answer <- t.conf.Driver.CheckCandidate(ctx, candidate) }()
	return t.rest
}

// checked goes on with an examined candidate.
func (t *target) checked(ctx context.Context, err error) phase {
	if err == nil {
		t.log.Debug("candidate accepted")
		return t.replace
	}
	_ = os.Remove(t.candidate) // The next candidate removes what is left.
	if ctx.Err() != nil {
		return nil
	}
	return t.fail(StepCheck, err)
}

// dropCheck ends a check that goes on, and forgets its candidate.
func (t *target) dropCheck() {
	if t.checking == nil {
		return
	}
	t.stopCheck()
	err := <-t.checking
	t.log.Debug("check given up", "error", err)
	t.checking = nil
	_ = os.Remove(t.candidate) // As in checked.
}

// replace puts the candidate in place. From here to the end of the round a stop is not obeyed: the commands have limits
// of their own, and a round that ends in the middle leaves the balancer with another file than it runs.
func (t *target) replace(ctx context.Context) phase {
	if err := t.file.replace(t.candidate); err != nil {
		_ = os.Remove(t.candidate) // As in checked.
		return t.fail(StepWrite, err)
	}
	t.written = t.staged
	if err := t.conf.Driver.CheckLive(context.WithoutCancel(ctx)); err != nil {
		return t.fail(StepCheck, errors.Join(err, t.restore()))
	}
	switch {
	case !bytes.Equal(t.written, t.desired):
		t.good, t.unwritten = t.written, time.Now() // Changes have come since.
		return t.putOff
	case t.why == "":
		return t.commit()
	}
	return t.reload
}

// restore puts the last good file back, or takes the new one away where there was none.
func (t *target) restore() error {
	if t.good == nil {
		t.written = nil
		return t.file.remove()
	}
	return t.restoreGood()
}

// restoreGood puts the last good file back. Where there was none, or where no balancer runs, the new one stays: its
// check was good, and a balancer that does not run yet needs a file to start with.
func (t *target) restoreGood() error {
	if t.good == nil || bytes.Equal(t.good, t.written) || !t.running.Blind && !t.running.Running {
		return nil
	}
	if err := t.file.write(t.good); err != nil {
		return err
	}
	t.written = t.good
	return nil
}
