package lbsync

import (
	"testing"
	"time"
)

func TestActAt(t *testing.T) {
	timing := Timing{Quiet: 200, MaxDelay: 2000}
	zero := time.Unix(1000, 0)
	at := zero.Add
	for _, tt := range []struct {
		name               string
		first, last, acted time.Time
		want               time.Time
	}{
		{"the very first change", at(0), at(0), time.Time{}, at(0)},
		{"the first after calm", at(200), at(200), at(0), at(200)},
		{"soon after another", at(100), at(100), at(0), at(300)},
		{"a burst that goes on", at(100), at(600), at(0), at(750)},
		{"a burst that has gone on for long", at(100), at(2000), at(0), at(2010)},
		{"a burst that does not end", at(100), at(2100), at(0), at(2100)},
		{"a burst that was not looked at", at(100), at(5000), at(0), at(2100)},
	} {
		if got := timing.actAt(tt.first, tt.last, tt.acted); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got.Sub(zero), tt.want.Sub(zero))
		}
	}
}

func TestPaceNext(t *testing.T) {
	zero := time.Unix(1000, 0)
	ends := func(seconds ...int) []time.Time {
		var out []time.Time
		for _, s := range seconds {
			out = append(out, zero.Add(time.Duration(s)*time.Second))
		}
		return out
	}
	pace := Pace{MinGap: 2 * time.Second, PerMinute: 3, Jitter: -1}
	for _, tt := range []struct {
		name    string
		now     int
		earlier []time.Time
		want    int
	}{
		{"the first", 5, nil, 5},
		{"after calm", 5, ends(3), 5},
		{"in the gap", 5, ends(4), 6},
		{"the budget is used up", 30, ends(1, 10, 20), 61},
		{"an old one does not count", 62, ends(1, 10, 20), 62},
	} {
		if got := pace.next(zero.Add(time.Duration(tt.now)*time.Second), tt.earlier); got.Sub(zero) != time.Duration(tt.want)*time.Second {
			t.Errorf("%s: %v, want %d s", tt.name, got.Sub(zero), tt.want)
		}
	}
	late := false
	for range 100 {
		at := Pace{}.withDefaults().next(zero, nil)
		late = late || at.After(zero)
		if at.Before(zero) || at.After(zero.Add(100*time.Millisecond)) {
			t.Errorf("jitter of %v", at.Sub(zero))
		}
	}
	if !late {
		t.Error("no jitter")
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
