package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// changesPerTurn is how often the watched key changes while a server has its turn.
	changesPerTurn = 3
	// watchSettle lets a server finish what accepting the watchers has begun, before its memory is read.
	watchSettle = 2 * time.Second
)

// A watchTurn is what one server did with all its watchers in one round.
type watchTurn struct {
	first, middle, last float64 // milliseconds from the write to the first, median and last answer; median of the changes
	idle                float64 // bytes of memory a watcher while all wait for the first change
	used                float64 // the same while they wait after the last change
}

// runWatch is the row of the idle watchers: each server in turn is started anew, gets its watchers, and is changed.
func runWatch(ctx context.Context, b *bench, rep *report) error {
	launchers := append([]launcher{b.registryLauncher()}, b.etcdLaunchers()...)
	turns := map[string][]watchTurn{}
	for round := range b.rounds {
		for _, l := range launchers {
			t, err := watchOnce(ctx, l, b.watchers)
			if err != nil {
				return fmt.Errorf("watch %s: %w", l.name, err)
			}
			turns[l.name] = append(turns[l.name], t)
			b.say("watch: round %d of %d: %-13s first %.1f ms, median %.1f ms, last %.1f ms, %.0f bytes a watcher",
				round+1, b.rounds, l.name, t.first, t.middle, t.last, t.idle)
		}
	}
	reportWatch(rep, fmt.Sprintf("%d idle watchers, one change to all", b.watchers), launchers, turns)
	return nil
}

func reportWatch(rep *report, work string, launchers []launcher, turns map[string][]watchTurn) {
	figures := []struct {
		name string
		of   func(watchTurn) float64
	}{
		{"time to the first", func(t watchTurn) float64 { return t.first }},
		{"time to the median", func(t watchTurn) float64 { return t.middle }},
		{"time to the last", func(t watchTurn) float64 { return t.last }},
		{"memory a watcher, idle", func(t watchTurn) float64 { return t.idle }},
		{"memory a watcher, after changes", func(t watchTurn) float64 { return t.used }},
	}
	for _, l := range launchers[1:] {
		for _, f := range figures {
			rep.compare(comparison{
				work: work, against: l.name, what: f.name, target: kit.AtMost(1),
				ratios: kit.Ratios(kit.Series(turns[nameRegistry], f.of), kit.Series(turns[l.name], f.of)),
			})
		}
	}
	details := kit.Table{
		Title: work,
		Head:  []string{"server", "first ms", "median ms", "last ms", "idle KiB/watcher", "KiB/watcher after changes"},
	}
	for _, l := range launchers {
		mid := func(figure int) float64 { return kit.Median(kit.Series(turns[l.name], figures[figure].of)) }
		addRow(&details, l.name, "%.1f", mid(0), "%.1f", mid(1), "%.1f", mid(2), "%.1f", mid(3)/1024, "%.1f", mid(4)/1024)
	}
	rep.tables = append(rep.tables, details)
}

// watchOnce is the turn of one server.
func watchOnce(ctx context.Context, l launcher, watchers int) (watchTurn, error) {
	var t watchTurn
	s, err := l.start(ctx)
	if err != nil {
		return t, err
	}
	defer s.stop()
	if _, err := s.send(ctx, putRequest(watchedPath, "value=0")); err != nil {
		return t, err
	}
	empty, err := settledMemory(ctx, s)
	if err != nil {
		return t, err
	}
	crowd, err := openCrowd(ctx, s, watchers)
	if err != nil {
		return t, err
	}
	defer crowd.close()
	idle, err := settledMemory(ctx, s)
	if err != nil {
		return t, err
	}
	if err := t.measure(ctx, crowd); err != nil {
		return t, err
	}
	used, err := settledMemory(ctx, s)
	t.idle = float64(idle-empty) / float64(watchers)
	t.used = float64(used-empty) / float64(watchers)
	return t, err
}

// settledMemory is the resident set after a pause.
func settledMemory(ctx context.Context, s *server) (int64, error) {
	if err := kit.Pause(ctx, watchSettle); err != nil {
		return 0, err
	}
	m, err := s.proc.memory()
	return m.rss, err
}

// measure changes the key some times, and fills in the times.
func (t *watchTurn) measure(ctx context.Context, c *crowd) error {
	var first, middle, last []float64
	for i := range changesPerTurn {
		took, err := c.change(ctx, strconv.Itoa(i+1))
		if err != nil {
			return err
		}
		slices.Sort(took)
		first, middle, last = append(first, took[0]), append(middle, kit.Median(took)), append(last, took[len(took)-1])
		if err := c.poll(ctx); err != nil {
			return err
		}
	}
	t.first, t.middle, t.last = kit.Median(first), kit.Median(middle), kit.Median(last)
	return nil
}
