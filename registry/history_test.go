package registry

import (
	"fmt"
	"slices"
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

func TestHistorySince(t *testing.T) {
	h := newHistory(100, 9)
	for i := range uint64(10) {
		h.add(event([]Key{"/a/x", "/b/x"}[i%2], 10+i))
	}
	tests := []struct {
		name      string
		index     uint64
		key       Key
		recursive bool
		limit     int
		want      []uint64
	}{
		{"all of a key", 10, "/a/x", false, 0, []uint64{10, 12, 14, 16, 18}},
		{"inclusive", 12, "/a/x", false, 0, []uint64{12, 14, 16, 18}},
		{"between two", 13, "/a/x", false, 0, []uint64{14, 16, 18}},
		{"last", 18, "/a/x", false, 0, []uint64{18}},
		{"future", 19, "/a/x", false, 0, []uint64{}},
		{"past", 0, "/a/x", false, 1, []uint64{10}},
		{"first only", 11, "/a/x", false, 1, []uint64{12}},
		{"directory", 10, "/a", false, 0, []uint64{}},
		{"directory, recursive", 15, "/a", true, 0, []uint64{16, 18}},
		{"root", 10, "/", false, 0, []uint64{}},
		{"root, recursive", 14, "/", true, 0, []uint64{14, 15, 16, 17, 18, 19}},
		{"root, first only", 14, "/", true, 1, []uint64{14}},
		{"root, some", 13, "/", true, 3, []uint64{13, 14, 15}},
		{"unknown name", 10, "/c", true, 0, []uint64{}},
	}
	for _, tt := range tests {
		got := indexesOf(h.since(tt.index, tt.key, tt.recursive, tt.limit))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestHistoryIsFair lets a busy name flood the history, which keeps the quiet one's.
func TestHistoryIsFair(t *testing.T) {
	h := newHistory(100, 0)
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
	if got := h.since(1, "/quiet", true, 0); len(got) != 10 || h.lostBefore("/quiet/x") != 0 {
		t.Errorf("%d of 10 quiet events are left, lost before %d", len(got), h.lostBefore("/quiet/x"))
	}
	if got := h.since(0, "/busy", true, 0); len(got) != 90 || h.lostBefore("/busy") != got[0].Index()-1 {
		t.Errorf("%d busy events are left, lost before %d", len(got), h.lostBefore("/busy"))
	}
	if h.lostBefore(Root) != h.lostBefore("/busy") {
		t.Errorf("the root has lost %d, its busiest name %d", h.lostBefore(Root), h.lostBefore("/busy"))
	}
	if h.total != 100 {
		t.Errorf("%d events kept, limit 100", h.total)
	}
}

// TestHistoryGivesUpARing has more names than room, so that rings go away whole.
func TestHistoryGivesUpARing(t *testing.T) {
	h := newHistory(4, 100)
	for i := range uint64(6) {
		h.add(event(Key(fmt.Sprintf("/n%d/x", i)), 101+i))
	}
	tests := []struct {
		key  Key
		lost uint64
	}{
		{"/n0", 102}, // given up: not to be told from a name that never was
		{"/n1/x", 102},
		{"/never", 102},
		{"/n2", 100}, // has had its ring all along
		{"/n5", 101}, // began when /n0 was gone
		{"/", 102},
	}
	for _, tt := range tests {
		if got := h.lostBefore(tt.key); got != tt.lost {
			t.Errorf("%s has lost what is before %d, want %d", tt.key, got, tt.lost)
		}
	}
	h.add(event("/n0/y", 107))
	if got := h.lostBefore("/n0"); got < 101 {
		t.Errorf("/n0 is back and has forgotten its loss: %d", got)
	}
}

func TestHistoryOfOne(t *testing.T) {
	h := newHistory(1, 0)
	for i := range uint64(5) {
		h.add(event(Key(fmt.Sprintf("/n%d", i%2)), 1+i))
	}
	if got := indexesOf(h.since(0, Root, true, 0)); !slices.Equal(got, []uint64{5}) || h.lostBefore(Root) != 4 {
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
