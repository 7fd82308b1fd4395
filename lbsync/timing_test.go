package lbsync

import (
	"testing"
	"time"
)

func TestActAt(t *testing.T) {
	timing := Timing{Quiet: 100, MaxDelay: 300, MinGap: 500}
	zero := time.Unix(1000, 0)
	at := zero.Add
	for _, tt := range []struct {
		name              string
		first, last, free time.Time
		want              time.Time
	}{
		{"the very first change", at(0), at(0), time.Time{}, at(0)},
		{"the first after calm", at(500), at(500), at(0), at(500)},
		{"in the gap", at(100), at(100), at(0), at(500)},
		{"late in the gap, then quiet", at(450), at(450), at(0), at(550)},
		{"a burst that goes on", at(450), at(600), at(0), at(700)},
		{"a burst that does not end", at(450), at(740), at(0), at(750)},
	} {
		if got := timing.actAt(tt.first, tt.last, tt.free); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got.Sub(zero), tt.want.Sub(zero))
		}
	}
}

func TestRetryGrowsAndIsBounded(t *testing.T) {
	timing := Timing{}.withDefaults()
	for failures, want := range map[int]time.Duration{
		1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second, 6: 15 * time.Second, 1 << 40: 15 * time.Second,
	} {
		if got := timing.retry(failures); got > want || got < want*9/10-1 {
			t.Errorf("after %d failures: %v, want about %v", failures, got, want)
		}
	}
}

// What lbsync adds at worst, without the commands' own time, must leave room within a second.
func TestDefaultsKeepThePromise(t *testing.T) {
	d := Timing{}.withDefaults()
	if worst := d.ListGap + max(d.MinGap, d.MaxDelay, d.Quiet); worst > 400*time.Millisecond {
		t.Errorf("a change may wait for %v", worst)
	}
}
