package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

// startLimit is what the row "start" allows, in seconds.
const startLimit = 10

// runStart is the row that times how long a registry with many entries on disk takes until it is ready, after a kill and
// after an orderly end in turn.
func runStart(ctx context.Context, b *bench, rep *report) error {
	l := b.registryLauncher()
	site, err := newSite(ctx, l.parent)
	if err != nil {
		return err
	}
	s, err := l.startAt(ctx, site)
	if err != nil {
		return err
	}
	defer func() { s.stop() }()
	if err := s.sendAll(ctx, b.stored, storedEntry); err != nil {
		return err
	}
	var times []float64
	details := kit.Table{Title: "start", Head: []string{"after", "ready after s", "resident MB"}}
	for i := range b.rounds {
		how := "an orderly end"
		if i%2 == 0 {
			how = "kill -9"
			_ = s.cmd.Process.Signal(syscall.SIGKILL) // end sees that it is gone
		}
		s.end()
		began := time.Now()
		if s, err = l.startAt(ctx, site); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		if err := b.checkStored(ctx, s); err != nil {
			return err
		}
		m, err := s.proc.memory()
		if err != nil {
			return err
		}
		b.say("start: round %d of %d: ready %.1f s after %s", i+1, b.rounds, took, how)
		addRow(&details, how, "%.1f", took, "%.0f", float64(m.rss)/(1<<20))
		times = append(times, took)
	}
	rep.compare(comparison{
		work: fmt.Sprintf("start with %d entries on disk", b.stored), against: "none", what: "seconds until ready",
		target: kit.AtMost(startLimit), ratios: times,
	})
	rep.tables = append(rep.tables, details)
	return nil
}

// storedEntry is shared configuration in directories of 1,000.
func storedEntry(i int) request {
	return putRequest(fmt.Sprintf("/v2/keys/stored/%d/entry-%010d", i/1000, i), fmt.Sprintf("value=%010d", i))
}

// checkStored reads some of the entries back.
func (b *bench) checkStored(ctx context.Context, s *server) error {
	for i := b.stored - 1; i >= 0; i -= 1 + b.stored/100 {
		body, err := s.send(ctx, getRequest(storedEntry(i).path))
		if err != nil {
			return err
		}
		if a, err := parseAnswer(body); err != nil || !strings.HasSuffix(storedEntry(i).form, a.Node.Value) || a.Node.Value == "" {
			return fmt.Errorf("entry %d after a restart: %s, %w", i, body, err)
		}
	}
	return nil
}
