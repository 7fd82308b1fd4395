package lbsync

import (
	"fmt"
	"time"
)

// commit records that the balancer runs the desired file.
func (t *target) commit() phase {
	t.good = t.desired
	if err := saveMemory(t.file, t.pools); err != nil {
		t.log.Warn("pools not remembered", "error", err)
	}
	t.mu.Lock()
	t.stats.Applied++
	t.mu.Unlock()
	t.log.Info("change applied", "servers", countServers(t.pools))
	return t.inSync()
}

// inSync records that desired, written and applied are one.
func (t *target) inSync() phase {
	t.failures = 0
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.LastSuccess = time.Now()
	t.stats.InSync = true
	return t.rest
}

// fail records a failure; the round is tried again after a pause.
func (t *target) fail(step Step, err error) phase {
	t.failures++
	t.lastErr = fmt.Errorf("%s: %s: %w", t.conf.Config, step, err)
	t.mu.Lock()
	t.stats.Failures[step]++
	t.stats.InSync = false
	t.mu.Unlock()
	t.log.Error("change not applied", "step", string(step), "failures", t.failures, "error", err)
	return t.rest
}

func countServers(pools []Pool) int {
	n := 0
	for _, p := range pools {
		n += len(p.Servers)
	}
	return n
}
