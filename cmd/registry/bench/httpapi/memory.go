package main

import (
	"context"
	"fmt"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// maxMemoryRounds bounds the rounds of the memory rows: they are slow, and sizes hardly vary.
	maxMemoryRounds = 2
	// memorySettle is how long a server is left alone after it was filled, before its first reading.
	memorySettle = 10 * time.Second
	// memoryIdle is the time from the last write of all to the second reading. Go collects garbage at least each two
	// minutes, and then gives memory back slowly; servers that made more garbage gain more by it.
	memoryIdle = 150 * time.Second
	// shortLog is the etcd setting of nameEtcdShort: by default etcd keeps up to 100,000 writes in memory, its log, beside
	// the keys themselves. It kept 10,000 before version 3.2.
	shortLog = "--snapshot-count=10000"
)

// memoryWork is one of the rows about memory.
type memoryWork struct {
	name, title string
	ttl         string // of each key in seconds; empty for none
}

// request writes key i: a name of 20 bytes, a value of 10.
func (w memoryWork) request(i int) request {
	form := fmt.Sprintf("value=%010d", i)
	if w.ttl != "" {
		form += "&ttl=" + w.ttl
	}
	return putRequest(fmt.Sprintf("/v2/keys/memory/host-%015d", i), form)
}

// A memoryTurn is how much a server grew per key, in bytes.
type memoryTurn struct {
	peak    float64 // at the most, while it was filled
	settled float64 // memorySettle after it was filled
	idle    float64 // after memoryIdle
}

func peakSize(t memoryTurn) float64    { return t.peak }
func settledSize(t memoryTurn) float64 { return t.settled }
func idleSize(t memoryTurn) float64    { return t.idle }

// runMemory is the row that fills fresh servers with keys.
func runMemory(work memoryWork) func(context.Context, *bench, *report) error {
	return func(ctx context.Context, b *bench, rep *report) error {
		launchers := b.memoryLaunchers()
		turns := map[string][]memoryTurn{}
		rounds := min(b.rounds, maxMemoryRounds)
		for round := range rounds {
			if err := fillRound(ctx, launchers, work, b.keys, turns); err != nil {
				return err
			}
			for _, l := range launchers {
				t := turns[l.name][round]
				b.say("%s: round %d of %d: %-15s %.0f bytes a key, %.0f when idle",
					work.name, round+1, rounds, l.name, t.settled, t.idle)
			}
		}
		reportMemory(rep, fmt.Sprintf("%s, %d keys of 20+10 bytes", work.title, b.keys), launchers, turns)
		return nil
	}
}

// memoryLaunchers are the registry and etcd, as shipped and with a short log. Where there is a tmpfs, etcd's data is
// there: it is no part of the resident set, and filling is faster.
func (b *bench) memoryLaunchers() []launcher {
	parent := b.work
	if b.tmpWork != "" {
		parent = b.tmpWork
	}
	return []launcher{
		b.registryLauncher(), b.etcdLauncher(nameEtcd, parent), b.etcdLauncher(nameEtcdShort, parent, shortLog),
	}
}

func reportMemory(rep *report, work string, launchers []launcher, turns map[string][]memoryTurn) {
	details := kit.Table{Title: work, Head: []string{"server", "bytes/key at the peak", "after 10 s", "after 150 s idle"}}
	for _, l := range launchers {
		sizes := turns[l.name]
		addRow(&details, l.name, "%.0f", kit.Median(kit.Series(sizes, peakSize)),
			"%.0f", kit.Median(kit.Series(sizes, settledSize)), "%.0f", kit.Median(kit.Series(sizes, idleSize)))
	}
	rep.tables = append(rep.tables, details)
	for _, l := range launchers[1:] {
		compare := func(when string, size func(memoryTurn) float64) {
			rep.compare(comparison{
				work: work, against: l.name, what: "resident memory, " + when, target: kit.AtMost(0.35),
				ratios: kit.Ratios(kit.Series(turns[nameRegistry], size), kit.Series(turns[l.name], size)),
			})
		}
		compare("after 10 s", settledSize)
		compare("after 150 s idle", idleSize)
	}
}

// fillRound fills the servers one after the other, leaves them alone together, and appends what they grew to turns.
func fillRound(
	ctx context.Context, launchers []launcher, work memoryWork, keys int, turns map[string][]memoryTurn,
) error {
	var servers fleet
	defer servers.stop()
	readings := make([]memoryReadings, len(launchers))
	for i, l := range launchers {
		s, err := servers.add(ctx, l)
		if err == nil {
			readings[i], err = fill(ctx, s, work, keys)
		}
		if err != nil {
			return fmt.Errorf("fill %s: %w", l.name, err)
		}
	}
	if err := kit.Pause(ctx, memoryIdle); err != nil {
		return err
	}
	for i, s := range servers {
		idle, err := s.proc.memory()
		if err != nil {
			return err
		}
		readings[i].idle = idle
		turns[s.name] = append(turns[s.name], readings[i].perKey(keys))
	}
	return nil
}

// memoryReadings are what a server held at three times.
type memoryReadings struct {
	empty, full, idle memory
}

func (r memoryReadings) perKey(keys int) memoryTurn {
	growth := func(bytes int64) float64 { return float64(bytes-r.empty.rss) / float64(keys) }
	return memoryTurn{peak: growth(r.full.peak), settled: growth(r.full.rss), idle: growth(r.idle.rss)}
}

// fill writes all keys to a fresh server and reads its memory before and after.
func fill(ctx context.Context, s *server, work memoryWork, keys int) (memoryReadings, error) {
	var r memoryReadings
	var err error
	if r.empty, err = s.proc.memory(); err != nil {
		return r, err
	}
	if err := s.sendAll(ctx, keys, work.request); err != nil {
		return r, err
	}
	if err := checkFilled(ctx, s, work, keys); err != nil {
		return r, err
	}
	if err := kit.Pause(ctx, memorySettle); err != nil {
		return r, err
	}
	r.full, err = s.proc.memory()
	return r, err
}

// checkFilled reads some of the keys back, the last one among them. A listing of all would itself cost memory.
func checkFilled(ctx context.Context, s *server, work memoryWork, keys int) error {
	for i := keys - 1; i >= 0; i -= 1 + keys/100 {
		body, err := s.send(ctx, getRequest(work.request(i).path))
		if err != nil {
			return err
		}
		a, err := parseAnswer(body)
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("%010d", i); a.Node.Value != want || (a.Node.TTL > 0) != (work.ttl != "") {
			return fmt.Errorf("key %d: want the value %s, got %+v", i, want, *a.Node)
		}
	}
	return nil
}
