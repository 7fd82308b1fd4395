package difftest

import (
	"slices"
	"sync"
	"testing"
)

// allScenarios is every table of this package.
func allScenarios() []Scenario {
	return slices.Concat(
		indexScenarios(), nodeScenarios(), writeScenarios(), compareScenarios(), deleteScenarios(), parameterScenarios(),
		ttlScenarios(), refreshScenarios(), formScenarios(), precedenceScenarios(), listScenarios(), httpScenarios(),
		watchScenarios(), streamScenarios(), historyScenarios(), hiddenWatchScenarios(),
	)
}

// factCount is how many facts about etcd were observed; see the package comment for what they are for.
const factCount = 52

// TestEveryFact checks that no fact lacks a scenario, and that names are unique.
func TestEveryFact(t *testing.T) {
	shown, names := map[int]bool{}, map[string]bool{}
	for _, sc := range allScenarios() {
		if names[sc.Name] {
			t.Errorf("two scenarios are called %q", sc.Name)
		}
		names[sc.Name] = true
		for _, fact := range sc.Facts {
			shown[fact] = true
		}
	}
	for fact := 1; fact <= factCount; fact++ {
		if !shown[fact] {
			t.Errorf("no scenario shows fact %d", fact)
		}
	}
}

// status is a condition for polls.
func status(want int) func(Answer) bool {
	return func(a Answer) bool { return a.Status == want }
}

// gone polls until the key is not found.
func gone(target string) Step { return Get(target).Until("it is gone", status(404)) }

// TestTables plays every scenario on etcd and on both kinds of Rollcall.
func TestTables(t *testing.T) {
	etcds := newLanes(t)
	for _, sc := range allScenarios() {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			etcd := etcds.take()
			defer etcds.give(t, etcd, sc)
			compareAll(t, sc, etcd, StartOurs(t, Letter), StartOurs(t, Default))
		})
	}
}

// compareAll plays the scenario on all targets at once and compares each with the first, which is etcd.
func compareAll(t *testing.T, sc Scenario, etcd *Target, others ...*Target) {
	t.Helper()
	transcripts := make([]Transcript, len(others)+1)
	var playing sync.WaitGroup
	for i, target := range append([]*Target{etcd}, others...) {
		playing.Go(func() { transcripts[i] = sc.Run(t.Context(), target) })
	}
	playing.Wait()
	seen.noteCodes(transcripts[0])
	for i, target := range others {
		mismatches, met := Compare(sc, transcripts[0], transcripts[i+1], target.Kind)
		seen.note(met...)
		for _, m := range mismatches {
			t.Errorf("%v: %v", target.Kind, m)
		}
	}
}
