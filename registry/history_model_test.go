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
	floor  uint64
	lost   map[string]uint64 // by name
}

// left returns the events of a name that are still there, and their size.
func (h *slowHistory) left(name string) (events []*Event, size int) {
	for _, e := range h.events {
		if !h.gone[e.Index()] && e.Node.Key.prefix() == name {
			events, size = append(events, e), size+e.size()
		}
	}
	return events, size
}

// add appends an event; when there are too many, the heaviest name loses its oldest,
// among equals the one whose oldest is the oldest.
func (h *slowHistory) add(e *Event) {
	h.events = append(h.events, e)
	if len(h.events)-len(h.gone) <= h.limit {
		return
	}
	var heaviest []*Event
	most := 0
	for _, e := range h.events { // from the oldest: the first of the heaviest wins
		if left, size := h.left(e.Node.Key.prefix()); !h.gone[e.Index()] && size > most {
			heaviest, most = left, size
		}
	}
	oldest := heaviest[0].Index()
	h.gone[oldest] = true
	h.lost[heaviest[0].Node.Key.prefix()] = oldest
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
		fast := smallHistory(limit, 10)
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
func compareHistories(t *rapid.T, fast *history, slow *slowHistory, key Key, from uint64) {
	want := []uint64{}
	lost := uint64(0)
	for _, e := range slow.events {
		switch o := (outcome{Action: Set, Key: e.Node.Key}); {
		case !o.reaches(key, true):
		case slow.gone[e.Index()]:
			lost = e.Index()
		case e.Index() >= from:
			want = append(want, e.Index())
		}
	}
	if got := indexesOf(since(fast, from, key, true)); !slices.Equal(got, want) {
		t.Fatalf("%s since %d: %v, want %v", key, from, got, want)
	}
	if got := fast.lostBefore(key); got != slow.lostBefore(key) || got < lost {
		t.Fatalf("%s is told that it has lost %d, want %d, really %d", key, got, slow.lostBefore(key), lost)
	}
	if fast.events > slow.limit || fast.events != len(slow.events)-len(slow.gone) {
		t.Fatalf("%d events kept, limit %d", fast.events, slow.limit)
	}
}
