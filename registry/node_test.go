package registry

import (
	"sync"
	"testing"
	"time"
)

func TestTTLSeconds(t *testing.T) {
	now := year(2026)
	tests := []struct {
		left time.Duration
		want int64
	}{
		{5 * time.Second, 5},
		{5*time.Second - 1, 5},
		{4*time.Second + 1, 5},
		{4 * time.Second, 4},
		{1, 1},
		{0, 0},
		{-1, 0},
		{-time.Second, -1},
	}
	for _, tt := range tests {
		n := Node{grant: &grant{expiration: now.Add(tt.left)}}
		if got := n.TTLSeconds(now); got != tt.want {
			t.Errorf("%v left: %d s, want %d", tt.left, got, tt.want)
		}
	}
}

func TestRendering(t *testing.T) {
	var r Rendering
	now := year(2026)
	tests := []struct {
		name  string
		at    time.Time
		text  string
		until time.Time
		want  string
	}{
		{"nothing yet", now, "one", now.Add(time.Second), "one"},
		{"still holds", now.Add(time.Second - 1), "two", time.Time{}, "one"},
		{"has aged", now.Add(time.Second), "three", time.Time{}, "three"},
		{"never ages", year(2140), "four", time.Time{}, "three"},
	}
	for _, tt := range tests {
		got := r.Get(tt.at, func() ([]byte, time.Time) { return []byte(tt.text), tt.until })
		if string(got) != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	err := &Error{Code: CodeNotDir, Cause: "/a", Index: 7}
	if got := err.Error(); got != "104: Not a directory (/a) [7]" {
		t.Errorf("error says %q", got)
	}
}

func TestActionNames(t *testing.T) {
	names := map[Action]string{
		Get: "get", Set: "set", Create: "create", Update: "update", CompareAndSwap: "compareAndSwap",
		Delete: "delete", CompareAndDelete: "compareAndDelete", Expire: "expire",
	}
	for action, want := range names {
		if action.String() != want {
			t.Errorf("action %d is %q, want %q", action, action, want)
		}
	}
	if len(names) != int(nActions) {
		t.Errorf("%d actions, %d in this test", nActions, len(names))
	}
}

// Renderings keep no more than their budget, and give back what they keep.
func TestRenderingsShareABudget(t *testing.T) {
	b := new(budget)
	b.left.Store(100)
	now := year(2026)
	text := func(n int) func() ([]byte, time.Time) {
		return func() ([]byte, time.Time) { return make([]byte, n), now.Add(time.Second) }
	}
	one, two := Rendering{budget: b}, Rendering{budget: b}
	one.Get(now, text(60))
	if got := two.Get(now, text(60)); len(got) != 60 || two.p.Load() != nil || b.left.Load() != 40 {
		t.Errorf("%d bytes over the budget are kept: %v, %d left", len(got), two.p.Load() != nil, b.left.Load())
	}
	one.Get(now.Add(time.Second), text(70)) // the old one has aged
	if b.left.Load() != 40 {
		t.Errorf("%d left after one that was too large to replace the old, want 40", b.left.Load())
	}
	one.Get(now.Add(time.Second), text(30))
	if b.left.Load() != 70 {
		t.Errorf("%d left after a replacement by 30, want 70", b.left.Load())
	}
	one.drop()
	one.drop()
	if one.Get(now, text(10)); b.left.Load() != 100 {
		t.Errorf("%d left after all was dropped, want 100", b.left.Load())
	}
}

// Readers who encode at the same time get the same text, with a budget and without,
// and leave no more than one of theirs.
func TestRenderingSideBySide(t *testing.T) {
	bounded := new(budget)
	bounded.left.Store(1000)
	for _, b := range []*budget{nil, bounded} {
		r := Rendering{budget: b}
		var readers sync.WaitGroup
		meet := make(chan struct{})
		for range 4 {
			readers.Go(func() {
				text := r.Get(year(2026), func() ([]byte, time.Time) {
					select { // until somebody else encodes, too, or has done so
					case meet <- struct{}{}:
					case <-meet:
					case <-time.After(time.Millisecond):
					}
					return []byte("text"), time.Time{}
				})
				if string(text) != "text" {
					t.Errorf("got %q", text)
				}
			})
		}
		readers.Wait()
	}
	if left := bounded.left.Load(); left != 996 {
		t.Errorf("%d bytes left, want 996", left)
	}
}

// A deep tree of large values is not kept once for each level, and what is kept goes
// with the next write.
func TestDeepListingsAreBounded(t *testing.T) {
	s := New(Options{})
	key := Key("")
	for range 100 {
		key += "/d"
	}
	put(t, s, key+"/x", file("1"))
	room := s.tree.rendered.left.Load()
	for dir := key; dir != Root; dir = dir.Parent() {
		r, err := s.Get(dir, GetOptions{Recursive: true})
		if err != nil {
			t.Fatal(err)
		}
		r.Rendering.Get(year(2026), func() ([]byte, time.Time) { return make([]byte, 1<<20), time.Time{} })
	}
	if left := s.tree.rendered.left.Load(); left < 0 || left > room-32<<20 {
		t.Errorf("%d bytes of %d are left", left, room)
	}
	put(t, s, key+"/x", file("2"))
	if left := s.tree.rendered.left.Load(); left != room {
		t.Errorf("a write leaves %d of %d", left, room)
	}
}
