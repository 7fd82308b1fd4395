package lbsync

import (
	"math/rand/v2"
	"time"
)

// Timing holds the delays of a Syncer. A zero field means its default.
type Timing struct {
	// Quiet is how long no further change must come before a burst counts as over. Default 200 ms.
	Quiet time.Duration
	// MaxDelay bounds the wait for quiet, counted from the first change of a burst. Default 2 s.
	MaxDelay time.Duration
	// LiveGap is the shortest time between two rounds for a balancer that takes changes without a reload. Default 20 ms.
	LiveGap time.Duration
	// Relist is how often a prefix is listed although nothing seems to have changed. Default 60 s.
	Relist time.Duration
	// Drift is how often a running balancer, and its file, are compared with what they should be. Default 5 s.
	Drift time.Duration
	// Sweep is the same while a removed server is still finishing its sessions. Default 250 ms.
	Sweep time.Duration
	// Settle is how long a target waits, once one of its services is known, for the others. Default 5 s.
	Settle time.Duration
	// RetryMin and RetryMax bound the pause after a failure, which doubles from one to the other. Defaults 500 ms, 15 s.
	RetryMin, RetryMax time.Duration
	// ListGap is the shortest time between two listings of one prefix. Default 50 ms.
	ListGap time.Duration
}

func (t Timing) withDefaults() Timing {
	for field, value := range map[*time.Duration]time.Duration{
		&t.Quiet:    200 * time.Millisecond,
		&t.MaxDelay: 2 * time.Second,
		&t.LiveGap:  20 * time.Millisecond,
		&t.Relist:   time.Minute,
		&t.Drift:    5 * time.Second,
		&t.Sweep:    250 * time.Millisecond,
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

// Timing returns the configured delays; what is not given is zero.
func (c TimingConfig) timing() Timing {
	return Timing{
		Quiet: time.Duration(c.Quiet), MaxDelay: time.Duration(c.MaxDelay),
		Relist: time.Duration(c.Relist), Drift: time.Duration(c.Drift),
	}
}

// retry returns the pause after so many failures in a row, at least 1, with a jitter of a tenth so that many lbsyncs do
// not knock at the same moment.
func (t Timing) retry(failures int) time.Duration {
	pause := min(t.RetryMin<<min(failures-1, 16), t.RetryMax)
	return pause - rand.N(pause/10+1)
}

// maxRefusal bounds the pause after reloads that were refused.
const maxRefusal = 5 * time.Minute

// refusal returns the pause after so many refused reloads in a row, at least 1.
func (t Timing) refusal(refused int) time.Duration {
	return min(t.RetryMin<<min(refused-1, 16), maxRefusal)
}

// relist returns the time to the next listing without a reason, with a jitter of a tenth.
func (t Timing) relist() time.Duration { return t.Relist - rand.N(t.Relist/10+1) }

// actAt returns when a burst of changes is to be applied where that is expensive. first and last are its first and latest
// change, acted is when the last burst was applied (zero: never). After calm that is at once. In a busy time it is when
// the burst falls quiet, and the longer it has lasted the shorter the quiet that is asked for: none after MaxDelay.
func (t Timing) actAt(first, last, acted time.Time) time.Time {
	if acted.IsZero() || first.Sub(acted) >= t.Quiet {
		return first
	}
	lasted := min(last.Sub(first), t.MaxDelay)
	share := float64(t.MaxDelay-lasted) / float64(t.MaxDelay)
	at := last.Add(time.Duration(share * float64(t.Quiet)))
	if limit := first.Add(t.MaxDelay); at.After(limit) {
		return limit
	}
	return at
}
