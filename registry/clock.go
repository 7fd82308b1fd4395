package registry

import "time"

// maxSkew is how far a stamp may be ahead of the own clock before it is left out of it:
// a node whose clock is wrong must not take the others along. Corrosion uses 300 ms for
// the same purpose.
const maxSkew = 500 * time.Millisecond

// maxAhead is how far ahead a stamp may be at all. A record that claims to be of a later
// time is not of a clock that is wrong: it is wrong itself.
const maxAhead = 24 * time.Hour

// clock is a hybrid logical clock: microseconds since 1970 that never repeat, never go
// back, and follow what other nodes have stamped. It belongs to the store and is guarded
// by its mutex.
type clock struct {
	skew    time.Duration // how far this node's wall clock is off; tests set it
	last    uint64        // the latest stamp given or followed
	highest uint64        // the highest stamp ever seen, also of clocks that are ahead
}

func (c *clock) wall(now time.Time) uint64 { return uint64(max(now.Add(c.skew).UnixMicro(), 0)) }

// next returns a stamp that is higher than all before and than floor.
func (c *clock) next(now time.Time, floor uint64) uint64 {
	c.last = max(c.last+1, c.wall(now))
	stamp := max(c.last, floor+1)
	c.highest = max(c.highest, stamp)
	return stamp
}

// ahead returns how far a stamp is ahead of this machine's clock.
func (c *clock) ahead(now time.Time, stamp uint64) time.Duration {
	const most = uint64(1) << 62 / uint64(time.Microsecond)
	return time.Duration(int64(min(stamp, most))-int64(c.wall(now))) * time.Microsecond
}

// observe follows a stamp from another node. One that is too far ahead is only remembered.
func (c *clock) observe(now time.Time, stamp uint64) {
	c.highest = max(c.highest, stamp)
	if c.ahead(now, stamp) <= maxSkew {
		c.last = max(c.last, stamp)
	}
}

// isBehind tells whether there are stamps that a plain next may not exceed.
func (c *clock) isBehind(now time.Time) bool { return c.highest > max(c.last, c.wall(now)) }
