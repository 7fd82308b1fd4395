package lbtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"rollcall/lbsync"
)

// Chaos is a Source whose listings are right and whose changes are not to be relied on: of each ten, about one each is
// lost, doubled, late or told as a lost place.
type Chaos struct {
	lbsync.Source

	mu   sync.Mutex // guards late
	late map[string][]lbsync.Change
}

// Next is lbsync.Source's.
func (c *Chaos) Next(ctx context.Context, prefix string, index uint64) (lbsync.Change, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		change, err := c.Source.Next(wait, prefix, index)
		cancel()
		if err != nil {
			if old, ok := c.old(prefix); ok {
				return old, nil
			}
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				continue
			}
			return change, err
		}
		switch rand.N(10) {
		case 0: // Lost.
			index = change.Index
		case 1: // Doubled.
			c.keep(prefix, change)
			return change, nil
		case 2: // Late, behind those that come after it.
			c.keep(prefix, change)
			index = change.Index
		case 3:
			return lbsync.Change{}, lbsync.ErrLostPlace
		case 4:
			if old, ok := c.old(prefix); ok {
				return old, nil
			}
			return change, nil
		default:
			return change, nil
		}
	}
}

func (c *Chaos) keep(prefix string, change lbsync.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.late == nil {
		c.late = map[string][]lbsync.Change{}
	}
	c.late[prefix] = append(c.late[prefix], change)
}

// old takes any of those that are late.
func (c *Chaos) old(prefix string) (lbsync.Change, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.late[prefix]
	if len(all) == 0 {
		return lbsync.Change{}, false
	}
	i := rand.N(len(all))
	change := all[i]
	c.late[prefix] = append(all[:i:i], all[i+1:]...)
	return change, true
}
