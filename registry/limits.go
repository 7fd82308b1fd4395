package registry

import (
	"fmt"
	"strings"
)

// Limits bound what clients may make a node hold. A field of 0 is no limit.
//
// They refuse what would add to the state, and nothing else: a renewal or a removal is never
// refused, nor is a record of another node or of the journal, so that a node may hold more than
// its limits. An entry that is there can be changed when all others are reached; the size of its
// new value is bounded all the same.
type Limits struct {
	// Value is the bytes of a value, Key the bytes of a new key, Depth its segments.
	Value, Key, Depth int
	// Entries is how many keys and directories there may be, those that a write makes above
	// its key included.
	Entries int
	// Bytes is the sum of the bytes of keys, directories and values. A change that makes a
	// value no larger is never refused.
	Bytes int64
	// Removals is how many removed keys may be remembered, see [Options.Retention], when a key
	// is made that is not among them.
	Removals int
	// Watches is how many watches may wait.
	Watches int
}

// Limit is one of the limits.
type Limit uint8

// The limits of a store.
const (
	LimitValue Limit = iota + 1
	LimitKey
	LimitDepth
	LimitEntries
	LimitBytes
	LimitRemovals
	LimitWatches
	nLimits
)

var limitNames = [nLimits]string{
	"none", "value", "key", "depth", "entries", "bytes", "removals", "watches",
}

// String returns the limit's name as in the metrics, and with "max-" before it in flags.
func (l Limit) String() string { return limitNames[l] }

// exceeds tells whether a number is above a limit.
func exceeds[N int | int64](n, limit N) bool { return limit > 0 && n > limit }

// admitLocked returns the refusal of a write that would go beyond a limit, nil if it may be
// done. At is the place of what it replaces, or with no node of the first key that is missing.
func (s *Store) admitLocked(key Key, at place, value string) *Error {
	if at.node == nil {
		return s.admitNewLocked(key, at.key, value)
	}
	if value == at.node.Value {
		return nil
	}
	if exceeds(len(value), s.limits.Value) {
		return s.refuseLocked(LimitValue, int64(len(value)), int64(s.limits.Value))
	}
	if len(value) <= len(at.node.Value) {
		return nil
	}
	return s.admitBytesLocked(len(value) - len(at.node.Value))
}

// admitNewLocked is admitLocked for a key that is made, with the directories from missing on.
func (s *Store) admitNewLocked(key, missing Key, value string) *Error {
	l := &s.limits
	entries, bytes := key.since(missing)
	held := s.tree.files + s.tree.dirs + entries
	switch {
	case exceeds(len(value), l.Value):
		return s.refuseLocked(LimitValue, int64(len(value)), int64(l.Value))
	case exceeds(len(key), l.Key):
		return s.refuseLocked(LimitKey, int64(len(key)), int64(l.Key))
	case l.Depth > 0 && key.depth() > l.Depth:
		return s.refuseLocked(LimitDepth, int64(key.depth()), int64(l.Depth))
	case exceeds(held, l.Entries):
		return s.refuseLocked(LimitEntries, int64(held), int64(l.Entries))
	case exceeds(s.graves.byKey.Len()+1, l.Removals) && s.graves.at(key).isEmpty():
		return s.refuseLocked(LimitRemovals, int64(s.graves.byKey.Len()+1), int64(l.Removals))
	default:
		return s.admitBytesLocked(bytes + len(value))
	}
}

func (s *Store) admitBytesLocked(more int) *Error {
	if held := s.tree.bytes + int64(more); exceeds(held, s.limits.Bytes) {
		return s.refuseLocked(LimitBytes, held, s.limits.Bytes)
	}
	return nil
}

// since returns how many keys there are on the way to k from one of its ancestors on, that and
// k included, and their bytes.
func (k Key) since(above Key) (n, bytes int) {
	for end := len(above); ; {
		n++
		bytes += end
		if end >= len(k) {
			return n, bytes
		}
		next := strings.IndexByte(string(k[end+1:]), '/')
		if next < 0 {
			next = len(k) - end - 1
		}
		end += 1 + next
	}
}

// overLimit says what is beyond each of the limits.
var overLimit = [nLimits]string{
	LimitValue:    "bytes in the value",
	LimitKey:      "bytes in the key",
	LimitDepth:    "segments in the key",
	LimitEntries:  "entries with this write",
	LimitBytes:    "bytes of keys and values with this write",
	LimitRemovals: "removals to remember with this key's",
	LimitWatches:  "watches with this one",
}

// refuseLocked counts a refusal and returns its error.
func (s *Store) refuseLocked(l Limit, n, limit int64) *Error {
	s.stats.refusals[l].Add(1)
	code := CodeLimit
	if l <= LimitDepth {
		code = CodeInvalidField
	}
	return &Error{
		Code: code, Limit: l, Index: s.index.last,
		Cause: fmt.Sprintf("%d %s; the limit is %d (max-%s)", n, overLimit[l], limit, l),
	}
}

// Repeats tells whether a write would only renew what is there: a heartbeat, or a refresh.
func (s *Store) Repeats(key Key, o PutOptions) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, err := s.tree.find(key)
	if err != nil || o.Exist == MustNotExist {
		return false
	}
	return at.node.isRepeatedBy(o) || o.Refresh && at.node.HasLease()
}
