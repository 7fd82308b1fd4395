package registry

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// slowHistory keeps all events for ever and marks those that the rules have evicted.
type slowHistory struct {
	limit  int
	events []*Event
	gone   map[uint64]bool
	floor  uint64            // the last event of a name that has nothing left
	lost   map[string]uint64 // by name, for names that have something left
}

// left returns the events of a name that are still there.
func (h *slowHistory) left(name string) []*Event {
	return slices.DeleteFunc(slices.Clone(h.events), func(e *Event) bool {
		return h.gone[e.Index()] || e.Node.Key.prefix() != name
	})
}

// add appends an event; when there are too many, the name with the most loses its
// oldest, among equals the one whose oldest is the oldest.
func (h *slowHistory) add(e *Event) {
	if name := e.Node.Key.prefix(); len(h.left(name)) == 0 {
		h.lost[name] = h.floor
	}
	h.events = append(h.events, e)
	if len(h.events)-len(h.gone) <= h.limit {
		return
	}
	var longest []*Event
	for _, e := range h.events { // from the oldest: the first longest wins
		if left := h.left(e.Node.Key.prefix()); !h.gone[e.Index()] && len(left) > len(longest) {
			longest = left
		}
	}
	name, oldest := longest[0].Node.Key.prefix(), longest[0].Index()
	h.gone[oldest] = true
	h.lost[name] = oldest
	if len(longest) == 1 {
		delete(h.lost, name)
		h.floor = max(h.floor, oldest)
	}
}

// lostBefore returns what a watch on a key is told to have lost.
func (h *slowHistory) lostBefore(key Key) uint64 {
	if key == Root {
		return slices.Max(append(slices.Collect(maps.Values(h.lost)), h.floor))
	}
	if lost, ok := h.lost[key.prefix()]; ok {
		return lost
	}
	return h.floor
}

func TestHistoryFollowsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		fast := newHistory(limit, 10)
		slow := slowHistory{limit: limit, floor: 10, gone: map[uint64]bool{}, lost: map[string]uint64{}}
		index := uint64(10)
		name := rapid.SampledFrom([]string{"a", "a", "a", "b", "c", "d", "_e"})
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			index += rapid.Uint64Range(1, 3).Draw(t, "step")
			e := event(Root.Child(name.Draw(t, "name")).Child(name.Draw(t, "below")), index)
			fast.add(e)
			slow.add(e)
			key := rapid.SampledFrom([]Key{"/", "/a", "/b", "/c/a", "/_e", "/never"}).Draw(t, "key")
			compareHistories(t, &fast, &slow, key, rapid.Uint64Range(8, index+1).Draw(t, "since"))
		}
	})
}

// compareHistories checks that what is left is the same, and that no loss is hidden.
func compareHistories(t *rapid.T, fast *history, slow *slowHistory, key Key, since uint64) {
	want := []uint64{}
	lost := uint64(0)
	for _, e := range slow.events {
		switch o := (outcome{Action: Set, Key: e.Node.Key}); {
		case !o.reaches(key, true):
		case slow.gone[e.Index()]:
			lost = e.Index()
		case e.Index() >= since:
			want = append(want, e.Index())
		}
	}
	if got := indexesOf(fast.since(since, key, true, 0)); !slices.Equal(got, want) {
		t.Fatalf("%s since %d: %v, want %v", key, since, got, want)
	}
	if got := fast.lostBefore(key); got != slow.lostBefore(key) || got < lost {
		t.Fatalf("%s is told that it has lost %d, want %d, really %d", key, got, slow.lostBefore(key), lost)
	}
	if fast.total > slow.limit || fast.total != len(slow.events)-len(slow.gone) {
		t.Fatalf("%d events kept, limit %d", fast.total, slow.limit)
	}
}
