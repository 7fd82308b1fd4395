package lbsync

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// maxReloads is how many ends of reloads are remembered, more than any pace asks for.
const maxReloads = 1024

// sawLive records what the driver has found.
func (t *target) sawLive(live Live, err error) {
	if err != nil {
		live = Live{Running: true, OldWorkers: t.running.OldWorkers}
	}
	t.running = live
	drift := live.Commands > 0 && bytes.Equal(t.applied, t.desired)
	if drift {
		t.log.Warn("drift repaired", "commands", live.Commands)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Commands += uint64(live.Commands)
	if drift {
		t.stats.Drift++
	}
	t.stats.OldWorkers = live.OldWorkers
	t.served = t.servedNow(live)
	t.stats.Leaving = countLeaving(t.served)
	wakeOne(t.changed)
}

// apply records that the balancer runs the desired file, in so far as it can be seen.
func (t *target) apply() {
	now := time.Now()
	t.busy = false
	if !bytes.Equal(t.applied, t.desired) {
		t.busy = now.Sub(t.acted) < t.timing.Quiet
		t.acted = now
		t.applied = t.desired
		t.log.Info("change applied", "servers", countServers(t.pools), "generation", generation(t.desired))
		t.mu.Lock()
		t.stats.Applied++
		t.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, snap := range t.snapshots {
		for _, at := range t.services[i].stampsBetween(t.marks[i], snap.mark) {
			t.delays.add(now.Sub(at))
		}
		t.marks[i] = snap.mark
		t.refs[i] = t.refsNow(i, snap)
	}
	t.served = t.servedNow(t.running)
}

// reloaded records a reload that has ended.
func (t *target) reloaded(began time.Time, err error) {
	now := time.Now()
	t.reloads = append(t.reloads, now)
	if over := len(t.reloads) - maxReloads; over > 0 {
		t.reloads = slices.Delete(t.reloads, 0, over)
	}
	t.reloadAt, t.acted = time.Time{}, now
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Reload = ReloadStatus{At: began, Took: now.Sub(began), Reason: t.why}
	result := "success"
	if err != nil {
		t.status.Reload.Error = err.Error()
		result = "failure"
	}
	t.stats.Reloads[result]++
}

// commit records that desired, written and applied are one, on disk as well.
func (t *target) commit() phase {
	t.saveGood()
	t.unwritten = time.Time{}
	return t.inSync()
}

// saveGood keeps the file and the pools for times when something goes wrong.
func (t *target) saveGood() {
	t.good = t.desired
	services := map[string]savedService{}
	for i, svc := range t.services {
		services[svc.name] = savedService{index: t.snapshots[i].index, hosts: t.snapshots[i].entries()}
	}
	if err := t.state.save(services, t.desired); err != nil {
		t.log.Warn("last good state not saved", "error", err)
	}
}

// inSync records that desired, written and applied are one.
func (t *target) inSync() phase {
	if t.failures > 0 {
		t.log.Info("in sync again", "failures", t.failures)
	}
	t.failures = 0
	t.record("", nil)
	return t.rest
}

// fail records a failure; the round is tried again after a pause.
func (t *target) fail(step Step, err error) phase {
	t.failures++
	t.lastErr = fmt.Errorf("%s: %s: %w", t.conf.Config, step, err)
	t.record(step, err)
	t.log.Error("change not applied", "step", string(step), "failures", t.failures, "error", err)
	return t.rest
}

// record makes the end of a round visible.
func (t *target) record(step Step, err error) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	good := err == nil
	if t.status.InSync != good {
		t.status.InSync, t.status.Since = good, now
	}
	t.status.Step, t.status.Error = step, ""
	t.stats.InSync = good
	if good {
		t.stats.LastSuccess = now
	} else {
		t.status.Error = err.Error()
		t.stats.Failures[step]++
	}
	t.status.Desired, t.status.Written, t.status.Applied = generation(t.desired), generation(t.written), generation(t.applied)
	t.stats.Generation = t.status.Applied
	wakeOne(t.changed)
}

func countServers(pools []Pool) int {
	n := 0
	for _, p := range pools {
		n += len(p.Servers)
	}
	return n
}
