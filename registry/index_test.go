package registry

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// year is the first moment of a year.
func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestIndexesFollowTheClock(t *testing.T) {
	for _, tag := range []uint64{1, 2, MaxTag} {
		x := newIndexes(tag, 0, year(2026))
		if want := tag<<48 | uint64(year(2026).Sub(indexEpoch)/indexStep); x.last != want {
			t.Errorf("tag %d: first index %d, want %d", tag, x.last, want)
		}
		first := x.last
		if got := x.take(year(2026).Add(time.Second)); got != first+uint64(time.Second/indexStep) {
			t.Errorf("tag %d: %d a second after %d", tag, got, first)
		}
		if got := x.take(year(2026).Add(time.Second)); got != first+uint64(time.Second/indexStep)+1 {
			t.Errorf("tag %d: second index in one step is %d", tag, got)
		}
	}
}

func TestIndexesAreBelow53BitsIn2150(t *testing.T) {
	x := newIndexes(MaxTag, 0, year(2150))
	if got := x.take(year(2151)); got >= 1<<53 || indexTag(got) != MaxTag {
		t.Errorf("index %d of tag %d in 2151", got, indexTag(got))
	}
}

func TestIndexesBeforeTheEpoch(t *testing.T) {
	for _, now := range []time.Time{year(1970), year(2000), year(2019), indexEpoch.Add(-1), indexEpoch} {
		x := newIndexes(3, 0, now)
		if indexTag(x.last) != 3 {
			t.Errorf("in %v the first index is %d, of tag %d", now, x.last, indexTag(x.last))
		}
		if last := x.last; x.take(now) != last+1 {
			t.Errorf("in %v the index goes from %d to %d", now, last, x.last)
		}
	}
}

func TestIndexesGoOnAfterARestart(t *testing.T) {
	now := year(2026)
	mine := newIndexes(1, 0, now).last
	tests := []struct {
		name  string
		after uint64
		now   time.Time
		want  uint64
	}{
		{"first run", 0, now, mine},
		{"clock moved on", mine - 1000, now, mine},
		{"clock stands still", mine, now, mine + 2},
		{"clock went back", mine, year(2021), mine + 2},
		{"clock went back before the epoch", mine, year(1970), mine + 2},
		{"former run was ahead of the clock", mine + 1e9, now, mine + 1e9 + 2},
		{"index of another tag", 7<<48 | 1<<47, now, mine},
		{"index without a tag", 1 << 47, now, mine},
	}
	for _, tt := range tests {
		if got := newIndexes(1, tt.after, tt.now).last; got != tt.want {
			t.Errorf("%s: after %d comes %d, want %d", tt.name, tt.after, got, tt.want)
		}
	}
}

// TestIndexesOnlyGrow lets the clock jump about and the node restart.
func TestIndexesOnlyGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tag := rapid.Uint64Range(1, MaxTag).Draw(t, "tag")
		clock := rapid.Int64Range(year(1990).Unix(), year(2150).Unix())
		last := uint64(0)
		x := newIndexes(tag, last, time.Unix(clock.Draw(t, "start"), 0))
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now := time.Unix(clock.Draw(t, "now"), 0)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				x = newIndexes(tag, last, now)
			}
			want := x.next(now)
			got := x.take(now)
			if got != want || got <= last || got >= 1<<53 || indexTag(got) != tag {
				t.Fatalf("index %d of tag %d after %d, announced %d", got, indexTag(got), last, want)
			}
			last = got
		}
	})
}

func TestStoreChoosesATag(t *testing.T) {
	for tag, want := range map[uint64]uint64{0: 1, 1: 1, 5: 5, MaxTag: MaxTag, MaxTag + 1: 1} {
		if got := indexTag(New(Options{Tag: tag}).Index()); got != want {
			t.Errorf("tag %d gives indexes of tag %d, want %d", tag, got, want)
		}
	}
}

// TestRestartContinues begins a store where a former run of it has ended.
func TestRestartContinues(t *testing.T) {
	first := New(Options{})
	ahead := first.Index() + 1e9 // the former run's clock was ahead
	second := New(Options{AfterIndex: ahead})
	e := put(t, second, "/a", file("1"))
	if e.Index() <= ahead || second.Index() != e.Index() {
		t.Errorf("index %d after %d", e.Index(), ahead)
	}
}
