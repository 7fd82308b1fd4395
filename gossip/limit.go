package gossip

import (
	"sync"
	"time"
)

// logPeriod is the time in which lines of a kind are counted.
const logPeriod = time.Minute

// maxKinds bounds the memory of a limiter. Kinds beyond it share one place.
const maxKinds = 256

// limiter lets each kind of line through a few times a minute and counts the rest.
type limiter struct {
	burst int

	mu    sync.Mutex
	kinds map[string]*kindCount
}

type kindCount struct {
	since  time.Time
	passed int
	held   int
}

func newLimiter(burst int) *limiter {
	return &limiter{burst: burst, kinds: make(map[string]*kindCount)}
}

// pass reports whether a line of a kind may be written now, and how many were not since
// the last that was.
func (l *limiter) pass(kind string, now time.Time) (held int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.count(kind, now)
	if now.Sub(c.since) >= logPeriod {
		held, *c = c.held, kindCount{since: now}
	}
	if c.passed >= l.burst {
		c.held++
		return 0, false
	}
	c.passed++
	return held, true
}

// count returns the count of a kind, and makes room for it if there is none.
func (l *limiter) count(kind string, now time.Time) *kindCount {
	if c := l.kinds[kind]; c != nil {
		return c
	}
	if len(l.kinds) >= maxKinds {
		l.forget(now)
	}
	if len(l.kinds) >= maxKinds {
		kind = ""
		if c := l.kinds[kind]; c != nil {
			return c
		}
	}
	c := &kindCount{since: now}
	l.kinds[kind] = c
	return c
}

// forget drops the kinds whose period is over.
func (l *limiter) forget(now time.Time) {
	for kind, c := range l.kinds {
		if now.Sub(c.since) >= logPeriod {
			delete(l.kinds, kind)
		}
	}
}
