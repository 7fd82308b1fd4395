package lbsync

import (
	"maps"
	"strings"
)

// A view is the entries below a prefix as the registry has them, kept up to date by its changes, and why those that are
// gone have gone. It is not synchronised.
type view struct {
	entries map[string]string
	gone    map[string]cause // of keys that were here at the last take
	fresh   bool             // whether anything is different since then
	// unexplained are keys that a listing has shown to be missing, as long as their history may still be learnt.
	unexplained map[string]bool
}

func newView() *view {
	return &view{entries: map[string]string{}, gone: map[string]cause{}, fresh: true, unexplained: map[string]bool{}}
}

// missing returns the keys whose absence from a listing is to be explained.
func (v *view) missing(entries []Entry) map[string]bool {
	missing := maps.Clone(v.unexplained)
	for key := range v.entries {
		missing[key] = true
	}
	for _, e := range entries {
		delete(missing, e.Key)
	}
	return missing
}

// replace takes over a listing. Why entries are missing is looked for among changes, which are in their order.
func (v *view) replace(entries []Entry, changes []Change) {
	now := make(map[string]string, len(entries))
	for _, e := range entries {
		now[e.Key] = e.Value
		delete(v.gone, e.Key)
	}
	for key := range v.entries {
		if _, there := now[key]; !there {
			v.unexplained[key] = true
		}
	}
	maps.DeleteFunc(v.unexplained, func(key string, _ bool) bool { _, there := now[key]; return there })
	for key := range v.unexplained {
		v.gone[key] = causeUnknown
	}
	v.fresh = v.fresh || !maps.Equal(v.entries, now)
	v.entries = now
	for _, c := range changes {
		v.explain(c)
	}
	maps.DeleteFunc(v.unexplained, func(key string, _ bool) bool {
		explained := v.gone[key] != causeUnknown
		v.fresh = v.fresh || explained
		return explained
	})
}

// apply takes over one change. It returns whether anything is different now, and whether the view is still sure to be
// right; if not, a listing has to tell.
func (v *view) apply(c Change) (changed, sure bool) {
	switch c.Kind {
	case ChangeSet:
		old, there := v.entries[c.Key]
		v.entries[c.Key] = c.Value
		delete(v.gone, c.Key)
		delete(v.unexplained, c.Key)
		changed = !there || old != c.Value
		v.fresh = v.fresh || changed
		return changed, true
	case ChangeDeleted:
		return v.remove(c, causeDeleted), true
	case ChangeExpired:
		return v.remove(c, causeExpired), true
	case ChangeNone:
		return false, true
	case ChangeOther:
	}
	return false, false
}

// remove takes out a key, or a directory and all below it.
func (v *view) remove(c Change, why cause) bool {
	removed := false
	take := func(key string) {
		delete(v.entries, key)
		v.gone[key] = why
		removed = true
	}
	if !c.Dir {
		if _, there := v.entries[c.Key]; there {
			take(c.Key)
		}
	} else {
		for key := range v.entries {
			if isBelow(key, c.Key) {
				take(key)
			}
		}
	}
	v.fresh = v.fresh || removed
	return removed
}

// isBelow tells whether a key is below a directory; all are below the empty one.
func isBelow(key, dir string) bool {
	return dir == "" || len(key) > len(dir) && key[len(dir)] == '/' && strings.HasPrefix(key, dir)
}

// explains takes those keys out of missing that a change tells the end of.
func (c Change) explains(missing map[string]bool) {
	if c.Kind != ChangeDeleted && c.Kind != ChangeExpired {
		return
	}
	delete(missing, c.Key)
	if c.Dir {
		maps.DeleteFunc(missing, func(key string, _ bool) bool { return isBelow(key, c.Key) })
	}
}

// explain adds the reason why a key is missing that a listing has shown to be missing.
func (v *view) explain(c Change) {
	why := causeDeleted
	switch c.Kind {
	case ChangeDeleted:
	case ChangeExpired:
		why = causeExpired
	case ChangeSet, ChangeNone, ChangeOther:
		return
	}
	if _, missing := v.gone[c.Key]; missing {
		v.gone[c.Key] = why
	}
	if !c.Dir {
		return
	}
	for key := range v.gone {
		if isBelow(key, c.Key) {
			v.gone[key] = why
		}
	}
}

// take returns the entries and why others are gone, and forgets the latter.
func (v *view) take() (entries []Entry, gone map[string]cause) {
	entries = make([]Entry, 0, len(v.entries))
	for key, value := range v.entries {
		entries = append(entries, Entry{Key: key, Value: value})
	}
	gone, v.gone, v.fresh = v.gone, map[string]cause{}, false
	return entries, gone
}
