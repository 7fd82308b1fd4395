package registry

import (
	"path"
	"slices"
	"strconv"

	gocmp "github.com/google/go-cmp/cmp"
)

// check compares everything with the history of events.
func (c *crowd) check(followers []*follower) {
	log := published(c.store, 0)
	last := c.first - 1
	state := map[Key]string{}
	for _, e := range log {
		if e.Index() <= last {
			c.t.Errorf("event %d after %d", e.Index(), last)
		}
		last = e.Index()
		replay(state, e)
	}
	values := map[Key]string{}
	for key, e := range entries(c.store) {
		values[key] = e.Value
	}
	if diff := gocmp.Diff(state, values); diff != "" {
		c.t.Errorf("state (-replay +store):\n%s", diff)
	}
	if got := values["/counter"]; c.swaps == 0 || got != strconv.Itoa(c.swaps) {
		c.t.Errorf("%d swaps have succeeded, the counter is %q", c.swaps, got)
	}
	for _, f := range followers {
		c.checkFollower(f, log)
	}
	checkLeases(c.t, c.store)
	checkListings(c.t, c.store)
	if got := c.store.Stats().Watchers; got != 0 {
		c.t.Errorf("%d watches are left", got)
	}
}

func (c *crowd) checkFollower(f *follower, log []*Event) {
	due := slices.DeleteFunc(slices.Clone(log), func(e *Event) bool {
		o := answer(e, nil)
		return !o.reaches(f.key, f.recursive)
	})
	if !slices.Equal(f.got, due) {
		c.t.Errorf("watch on %s: %d events, want %d", f.key, len(f.got), len(due))
	}
}

// replay applies an event to a map of values.
func replay(state map[Key]string, e *Event) {
	key := e.Node.Key
	switch e.Action {
	case Delete, CompareAndDelete, Expire:
		for k := range state {
			if k == key || isUnder(k, key) {
				delete(state, k)
			}
		}
	default:
		for _, dir := range ancestors(key) {
			state[dir] = ""
		}
		state[Key(path.Clean(string(key)))] = e.Node.Value
	}
}
