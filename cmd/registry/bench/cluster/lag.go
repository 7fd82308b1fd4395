package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A clock counts microseconds since a second of the wall clock, which wrk can read too. They are the values of the
// entries: a watcher sees in them when they were sent.
type clock struct{ base int64 } // seconds since 1970

func newClock(now time.Time) clock { return clock{now.Unix()} }

func (c clock) micros(t time.Time) int64 { return t.UnixMicro() - c.base*1e6 }

// An event is what a watcher takes out of a line of a watch: the value that was set.
type event struct {
	sent int64  // microseconds, if it is a change
	mark string // the text, if it is a mark: see markPath
}

var (
	valueStart = []byte(`"value":"`)
	markStart  = []byte("mark")
)

// parseEvent reads a line of a watch. The first value in it is the new one; prevNode comes after it.
func parseEvent(line []byte) (event, error) {
	_, rest, ok := bytes.Cut(line, valueStart)
	end := bytes.IndexByte(rest, '"')
	if !ok || end < 0 || !bytes.HasPrefix(line, []byte(`{"action":"set"`)) {
		return event{}, fmt.Errorf("not a change: %.200s", line)
	}
	value := rest[:end]
	if bytes.HasPrefix(value, markStart) {
		return event{mark: string(value)}, nil
	}
	sent, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return event{}, fmt.Errorf("not a change: %.200s", line)
	}
	return event{sent: sent}, nil
}

// quantile is the figure below which the part q of the sorted figures is; there must be at least one.
func quantile[T any](sorted []T, q float64) T {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// A spread sums up many durations, in milliseconds.
type spread struct{ p50, p99, max float64 }

func newSpread(figures []time.Duration) spread {
	if len(figures) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(figures))
	ms := func(q float64) float64 { return float64(quantile(sorted, q).Microseconds()) / 1000 }
	return spread{ms(0.5), ms(0.99), ms(1)}
}
