package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// event returns a set of a key with an index.
func event(key Key, index uint64) *Event {
	return &Event{Action: Set, Node: &Node{Key: key, ModifiedIndex: index}}
}

func indexesOf(events []*Event) []uint64 {
	list := []uint64{}
	for _, e := range events {
		list = append(list, e.Index())
	}
	return list
}

// smallHistory is bounded in events only.
func smallHistory(events int, floor uint64) history { return newHistory(events, 1<<30, floor) }

// since returns what a watch that resumes gets.
func since(h *history, index uint64, key Key, recursive bool) []*Event {
	return pick(h.from(index, key), key, recursive)
}

func TestHistorySince(t *testing.T) {
	h := smallHistory(100, 9)
	for i := range uint64(10) {
		h.add(event([]Key{"/a/x", "/b/x"}[i%2], 10+i))
	}
	tests := []struct {
		name      string
		index     uint64
		key       Key
		recursive bool
		want      []uint64
	}{
		{"all of a key", 10, "/a/x", false, []uint64{10, 12, 14, 16, 18}},
		{"inclusive", 12, "/a/x", false, []uint64{12, 14, 16, 18}},
		{"between two", 13, "/a/x", false, []uint64{14, 16, 18}},
		{"last", 18, "/a/x", false, []uint64{18}},
		{"future", 19, "/a/x", false, []uint64{}},
		{"past", 0, "/a/x", false, []uint64{10, 12, 14, 16, 18}},
		{"directory", 10, "/a", false, []uint64{}},
		{"directory, recursive", 15, "/a", true, []uint64{16, 18}},
		{"root", 10, "/", false, []uint64{}},
		{"root, recursive", 14, "/", true, []uint64{14, 15, 16, 17, 18, 19}},
		{"unknown name", 10, "/c", true, []uint64{}},
	}
	for _, tt := range tests {
		got := indexesOf(since(&h, tt.index, tt.key, tt.recursive))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestHistoryIsFair lets a busy name flood the history, which keeps the quiet one's.
func TestHistoryIsFair(t *testing.T) {
	h := smallHistory(100, 0)
	index := uint64(0)
	add := func(key Key) {
		index++
		h.add(event(key, index))
	}
	for range 10 {
		add("/quiet/x")
	}
	for range 10_000 {
		add("/busy/x")
	}
	if got := since(&h, 1, "/quiet", true); len(got) != 10 || h.lostBefore("/quiet/x") != 0 {
		t.Errorf("%d of 10 quiet events are left, lost before %d", len(got), h.lostBefore("/quiet/x"))
	}
	if got := since(&h, 0, "/busy", true); len(got) != 90 || h.lostBefore("/busy") != got[0].Index()-1 {
		t.Errorf("%d busy events are left, lost before %d", len(got), h.lostBefore("/busy"))
	}
	if h.lostBefore("/silent") != 0 {
		t.Errorf("a name without events has lost what is before %d", h.lostBefore("/silent"))
	}
	if h.lostBefore(Root) != h.lostBefore("/busy") {
		t.Errorf("the root has lost %d, its busiest name %d", h.lostBefore(Root), h.lostBefore("/busy"))
	}
	if h.events != 100 {
		t.Errorf("%d events kept, limit 100", h.events)
	}
}

// TestHistoryOfInventedNames has a client invent more names than there are rings: the
// later ones share one, and those that were there before lose nothing.
func TestHistoryOfInventedNames(t *testing.T) {
	h := smallHistory(4*maxRings, 0)
	index := uint64(0)
	add := func(key Key) uint64 {
		index++
		h.add(event(key, index))
		return index
	}
	first := add("/quiet/x")
	for i := range 20 * maxRings {
		add(Key(fmt.Sprintf("/n%d", i)))
	}
	if got := since(&h, first, "/quiet", true); len(got) != 1 || h.lostBefore("/quiet") != 0 {
		t.Errorf("quiet: %d events, lost before %d", len(got), h.lostBefore("/quiet"))
	}
	if len(h.rings) != maxRings+1 || len(h.order) != len(h.rings) || h.events != 4*maxRings {
		t.Errorf("%d rings, %d in order, %d events", len(h.rings), len(h.order), h.events)
	}
	last := add("/late/x")
	if got := indexesOf(since(&h, first, "/late", true)); !slices.Equal(got, []uint64{last}) {
		t.Errorf("a late name has %v, want %d alone", got, last)
	}
	if h.lostBefore("/late") == 0 {
		t.Error("a late name shares its ring and is not told that the ring has lost events")
	}
}

// TestHistoryIsBoundedInBytes writes large values, which count by their size.
func TestHistoryIsBoundedInBytes(t *testing.T) {
	const limit = 100_000
	h := newHistory(1000, limit, 0)
	index := uint64(0)
	add := func(key Key, size int) {
		index++
		e := event(key, index)
		e.Node.Value = strings.Repeat("x", size)
		h.add(e)
	}
	for range 100 {
		add("/small/x", 10)
	}
	for range 500 {
		add("/large/x", 10_000)
		if h.bytes > limit {
			t.Fatalf("%d bytes kept, limit %d", h.bytes, limit)
		}
	}
	if got := since(&h, 1, "/small", true); len(got) != 100 {
		t.Errorf("large values have evicted all but %d of 100 small ones", len(got))
	}
	if got := since(&h, 1, "/large", true); len(got) < 5 {
		t.Errorf("%d large ones are left", len(got))
	}
	add("/huge", 2*limit)
	if h.bytes > limit {
		t.Errorf("%d events, %d bytes after one that does not fit", h.events, h.bytes)
	}
	if h.lostBefore("/huge") != index {
		t.Errorf("what did not fit is not known to be lost: %d", h.lostBefore("/huge"))
	}
}

func TestHistoryOfOne(t *testing.T) {
	h := smallHistory(1, 0)
	for i := range uint64(5) {
		h.add(event(Key(fmt.Sprintf("/n%d", i%2)), 1+i))
	}
	if got := indexesOf(since(&h, 0, Root, true)); !slices.Equal(got, []uint64{5}) || h.lostBefore(Root) != 4 {
		t.Errorf("kept %v, lost before %d", got, h.lostBefore(Root))
	}
}

func TestDefaultHistoryKeeps64KiEvents(t *testing.T) {
	s := New(Options{})
	first := put(t, s, "/a/x", file("0"))
	for range DefaultHistory - 1 {
		put(t, s, "/a/x", file("0"))
	}
	if w := watch(t, s, "/a", WatchOptions{Since: first.Index(), Recursive: true}); len(told(t, w)) != 1 {
		t.Fatal("the oldest of 64 Ki events is gone")
	}
	put(t, s, "/a/x", file("0"))
	if _, err := s.Watch("/a", WatchOptions{Since: first.Index()}); err == nil {
		t.Fatal("an evicted event is not missed")
	}
	watch(t, s, "/a", WatchOptions{Since: first.Index() + 1})
	if got := s.Stats(); got.History != 64<<10 || got.HistoryLimit != 64<<10 {
		t.Errorf("history %d of %d", got.History, got.HistoryLimit)
	}
}
