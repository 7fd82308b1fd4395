package registry

import "time"

// Action says what an event did to its key. The names are the v2 API's.
type Action uint8

// The actions. Get is no event, but answers carry it.
const (
	Get Action = iota
	Set
	Create
	Update
	CompareAndSwap
	Delete
	CompareAndDelete
	Expire
	nActions
)

var actionNames = [nActions]string{
	"get", "set", "create", "update", "compareAndSwap", "delete", "compareAndDelete", "expire",
}

// String returns the action's name in answers.
func (a Action) String() string { return actionNames[a] }

// Event is one change of the tree, or a renewal's answer. It is immutable.
type Event struct {
	Action Action
	Node   *Node // the entry after the event; for removals without its value
	Prev   *Node // the entry before, nil if there was none

	at int64 // Unix time in nanoseconds: a time.Time is three times as large
}

// At returns when the event happened. Remaining TTLs are shown as of then.
func (e *Event) At() time.Time { return time.Unix(0, e.at) }

// Notice is an event on its way to watches. Those that are told at the same time share
// its encoding, which goes when the last of them has sent it.
type Notice struct {
	*Event
	Rendering Rendering
}

// Index returns the index of the event, which is its node's ModifiedIndex.
func (e *Event) Index() uint64 { return e.Node.ModifiedIndex }

// removesDir tells whether the event took a directory away with all that was in it.
func (e *Event) removesDir() bool {
	return (e.Action == Delete || e.Action == Expire) && e.Node.IsDir()
}

// concerns tells whether a watch on key gets the event. Live delivery and history
// go by this one rule, so that a watch sees the same whether or not it lagged:
//   - an event on the key itself,
//   - with recursive, an event below it, unless a name on the way down is hidden,
//   - the removal of a directory above it.
func (e *Event) concerns(key Key, recursive bool) bool {
	at := e.Node.Key
	switch {
	case at == key:
		return true
	case recursive && at.IsBelow(key):
		return !at.hiddenBelow(key)
	default:
		return e.removesDir() && key.IsBelow(at)
	}
}
