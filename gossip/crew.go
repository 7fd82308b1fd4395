package gossip

import (
	"context"
	"sync"
)

// crew is the goroutines of a node: they begin while it is open, all end when the
// context ends, and dismiss waits for them.
type crew struct {
	mu     sync.Mutex
	begin  func(task func(context.Context)) // nil while it is not open
	opened bool
	wg     sync.WaitGroup
}

// open lets goroutines begin, with ctx. It reports false the second time.
func (c *crew) open(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened {
		return false
	}
	c.opened = true
	c.begin = func(task func(context.Context)) { c.wg.Go(func() { task(ctx) }) }
	return true
}

// run begins a goroutine. It reports false when the crew is not open.
func (c *crew) run(task func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begin == nil {
		return false
	}
	c.begin(task)
	return true
}

// isOpen reports whether goroutines may begin.
func (c *crew) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begin != nil
}

// close lets no more goroutines begin.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = true
	c.begin = nil
}

// wait waits for those that began. The crew must be closed.
func (c *crew) wait() { c.wg.Wait() }
