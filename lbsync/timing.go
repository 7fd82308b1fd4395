package lbsync

import (
	"math/rand/v2"
	"time"
)

// Timing holds the delays of a Syncer. A zero field means its default. Together, the defaults keep what lbsync adds
// between the registry's event and the new pool well below a second.
type Timing struct {
	// Quiet is how long no further change must come before a burst counts as over. Default 100 ms.
	Quiet time.Duration
	// MaxDelay bounds the wait for quiet, counted from the first change of a burst. Default 300 ms.
	MaxDelay time.Duration
	// MinGap is the shortest time from the end of one reload to the beginning of the next; changes in between wait and
	// are never lost. Default 300 ms.
	MinGap time.Duration
	// Relist is how often a prefix is listed, and a file compared, although nothing seems to have changed. Default 60 s.
	Relist time.Duration
	// Settle is how long a target waits, once one of its services is known, for the others. Default 5 s.
	Settle time.Duration
	// RetryMin and RetryMax bound the pause after a failure, which doubles from one to the other. Defaults 500 ms, 15 s.
	RetryMin, RetryMax time.Duration
	// ListGap is the shortest time between two listings of one prefix. Default 50 ms.
	ListGap time.Duration
}

func (t Timing) withDefaults() Timing {
	for field, value := range map[*time.Duration]time.Duration{
		&t.Quiet:    100 * time.Millisecond,
		&t.MaxDelay: 300 * time.Millisecond,
		&t.MinGap:   300 * time.Millisecond,
		&t.Relist:   time.Minute,
		&t.Settle:   5 * time.Second,
		&t.RetryMin: 500 * time.Millisecond,
		&t.RetryMax: 15 * time.Second,
		&t.ListGap:  50 * time.Millisecond,
	} {
		if *field <= 0 {
			*field = value
		}
	}
	return t
}

// retry returns the pause after so many failures in a row, at least 1, with a jitter of a tenth so that many lbsyncs do
// not knock at the same moment.
func (t Timing) retry(failures int) time.Duration {
	pause := min(t.RetryMin<<min(failures-1, 16), t.RetryMax)
	return pause - rand.N(pause/10+1)
}

// actAt returns when a burst of changes is to be applied. first and last are its first and latest change, free is when
// the last reload ended (zero: never). After calm that is at once; in a busy time it is when the burst falls
// quiet or has lasted MaxDelay, and not before MinGap is over.
func (t Timing) actAt(first, last, free time.Time) time.Time {
	gap := free.Add(t.MinGap)
	if free.IsZero() || !first.Before(gap) {
		return first
	}
	quiet := last.Add(t.Quiet)
	if limit := first.Add(t.MaxDelay); limit.Before(quiet) {
		quiet = limit
	}
	if quiet.Before(gap) {
		return gap
	}
	return quiet
}
