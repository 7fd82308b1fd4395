package lbsync

import (
	"maps"
	"time"
)

// A Histogram counts durations, in seconds.
type Histogram struct {
	Count uint64
	// Sum is the sum of all, in seconds.
	Sum float64
	// Buckets count those up to each bound, the smaller ones included.
	Buckets map[float64]uint64
}

// changeBuckets are the bounds for changes, in seconds: from what a runtime command takes to what a reload that waits
// takes.
var changeBuckets = []float64{.005, .01, .025, .05, .1, .2, .3, .5, 1, 1.5, 2.5, 5, 10, 30}

func newHistogram(bounds []float64) Histogram {
	h := Histogram{Buckets: make(map[float64]uint64, len(bounds))}
	for _, b := range bounds {
		h.Buckets[b] = 0
	}
	return h
}

// add counts a duration; one below zero, by clocks that differ, counts as none.
func (h *Histogram) add(d time.Duration) {
	v := max(d, 0).Seconds()
	h.Count++
	h.Sum += v
	for b := range h.Buckets {
		if v <= b {
			h.Buckets[b]++
		}
	}
}

func (h Histogram) clone() Histogram {
	h.Buckets = maps.Clone(h.Buckets)
	return h
}

// plus adds two histograms of the same bounds; the first may be empty.
func (h Histogram) plus(o Histogram) Histogram {
	sum := o.clone()
	sum.Count += h.Count
	sum.Sum += h.Sum
	for b, n := range h.Buckets {
		sum.Buckets[b] += n
	}
	return sum
}
