package registry

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// model is the v2 store written down for clarity: a flat map from key to entry,
// after the observed behaviour of etcd. Indexes are the store's to choose; the model
// is told them and only says where each must show up.
type model struct {
	entries       map[Key]entry
	renewalEvents bool
}

// entry is what a model knows of a key. The root is never one.
type entry struct {
	Dir               bool
	Value             string
	Created, Modified uint64
	TTL               time.Duration // as granted
	Ends              time.Time     // zero without a lease
}

// outcome is what an operation must answer: an event or a refusal.
type outcome struct {
	Refusal string // "code cause"; the rest is empty then
	Action  Action
	Key     Key
	After   entry  // the entry as the event shows it
	Before  *entry // nil if there was none
	Silent  bool   // no event to anybody else
}

func refuse(code Code, cause Key) outcome {
	return outcome{Refusal: fmt.Sprintf("%d %s", int(code), cause)}
}

func (m *model) exists(key Key) bool {
	_, ok := m.entries[key]
	return ok || key == "/"
}

func (m *model) isDir(key Key) bool { return key == "/" || m.entries[key].Dir }

// ancestors returns the keys above a key, from the top, without the root.
func ancestors(key Key) []Key {
	var above []Key
	for dir := path.Dir(string(key)); dir != "/"; dir = path.Dir(dir) {
		above = append(above, Key(dir))
	}
	slices.Reverse(above)
	return above
}

func isUnder(key, dir Key) bool {
	return strings.HasPrefix(string(key), strings.TrimSuffix(string(dir), "/")+"/") && key != dir
}

// lookup returns the refusal that any operation on a missing key gets.
func (m *model) lookup(key Key) (outcome, bool) {
	for _, k := range append(ancestors(key), key) {
		if !m.exists(k) {
			return refuse(CodeKeyNotFound, k), false
		}
		if k != key && !m.isDir(k) {
			return refuse(CodeNotDir, k), false
		}
	}
	return outcome{}, true
}

// put is PUT. Index is what the store has given the event.
func (m *model) put(key Key, o PutOptions, index uint64, now time.Time) outcome {
	compares := o.PrevValue != "" || o.PrevIndex != 0
	missing, found := m.lookup(key)
	switch {
	case key == "/":
		return refuse(CodeRootReadOnly, "/")
	case o.Exist == MustNotExist && found:
		return refuse(CodeNodeExist, key)
	case o.Exist == MustNotExist:
		o.Refresh = false
		return m.write(Create, key, o, index, now)
	case compares || o.Exist == MustExist:
		if !found {
			return missing
		}
		return m.change(key, o, compares, index, now)
	case o.Refresh && !found:
		return missing
	case found && m.isDir(key):
		return refuse(CodeNotFile, key)
	}
	if o.Refresh {
		o.Value = m.entries[key].Value
	}
	return m.write(Set, key, o, index, now)
}

// postInOrder is POST.
func (m *model) postInOrder(dir Key, o PutOptions, index uint64, now time.Time) outcome {
	o.Refresh = false
	return m.write(Create, Key(path.Join(string(dir), fmt.Sprintf("%020d", index))), o, index, now)
}

// write is set and create: the entry is new, with the directories above it.
func (m *model) write(a Action, key Key, o PutOptions, index uint64, now time.Time) outcome {
	for _, dir := range ancestors(key) {
		if m.exists(dir) && !m.isDir(dir) {
			return refuse(CodeNotDir, dir)
		}
	}
	for _, dir := range ancestors(key) {
		if !m.exists(dir) {
			m.entries[dir] = entry{Dir: true, Created: index, Modified: index}
		}
	}
	next := entry{Dir: o.Dir, Value: o.Value, Created: index, Modified: index}
	if o.Dir {
		next.Value = ""
	}
	return m.replace(a, key, next, o, now)
}

// change is update and compareAndSwap: createdIndex and kind stay.
func (m *model) change(key Key, o PutOptions, compares bool, index uint64, now time.Time) outcome {
	old := m.entries[key]
	if old.Dir {
		if compares || o.Value != "" {
			return refuse(CodeNotFile, key)
		}
		next := entry{Dir: true, Created: old.Created, Modified: old.Modified}
		out := m.replace(Update, key, next, o, now)
		out.After.Modified = index // shown, not kept
		return out
	}
	action := Update
	if compares {
		action = CompareAndSwap
		if cause := mismatch(old, o.PrevValue, o.PrevIndex); cause != "" {
			return refuse(CodeTestFailed, Key(cause))
		}
	}
	value := o.Value
	if o.Refresh {
		value = old.Value
	}
	return m.replace(action, key, entry{Value: value, Created: old.Created, Modified: index}, o, now)
}

// replace gives an entry its lease, keeps it and says what everybody must see.
func (m *model) replace(a Action, key Key, next entry, o PutOptions, now time.Time) outcome {
	if o.TTL > 0 {
		next.TTL, next.Ends = o.TTL, now.Add(o.TTL)
	} else if o.TTL == EndAtOnce {
		next.Ends = now
	}
	out := outcome{Action: a, Key: key, After: next, Silent: o.Refresh}
	if old, ok := m.entries[key]; ok {
		out.Before = &old
		repeats := !old.Ends.IsZero() && old.TTL == o.TTL && old.Value == next.Value && old.Dir == next.Dir
		out.Silent = o.Refresh || repeats && !m.renewalEvents
	}
	m.entries[key] = next
	return out
}

func mismatch(e entry, value string, index uint64) string {
	var causes []string
	if value != "" && value != e.Value {
		causes = append(causes, "["+value+" != "+e.Value+"]")
	}
	if index != 0 && index != e.Modified {
		causes = append(causes, fmt.Sprintf("[%d != %d]", index, e.Modified))
	}
	return strings.Join(causes, " ")
}

// remove is DELETE.
func (m *model) remove(key Key, o DeleteOptions, index uint64) outcome {
	missing, found := m.lookup(key)
	compares := o.PrevValue != "" || o.PrevIndex != 0
	switch {
	case compares && key == "/":
		return refuse(CodeNotFile, "")
	case key == "/":
		return refuse(CodeRootReadOnly, "/")
	case !found:
		return missing
	case compares && m.isDir(key):
		return refuse(CodeNotFile, key)
	case compares:
		if cause := mismatch(m.entries[key], o.PrevValue, o.PrevIndex); cause != "" {
			return refuse(CodeTestFailed, Key(cause))
		}
		return m.drop(CompareAndDelete, key, index)
	case m.isDir(key) && !o.Recursive && !o.Dir:
		return refuse(CodeNotFile, key)
	case m.isDir(key) && !o.Recursive && len(m.below(key)) > 0:
		return refuse(CodeDirNotEmpty, key)
	}
	return m.drop(Delete, key, index)
}

// drop takes an entry away with all below it.
func (m *model) drop(a Action, key Key, index uint64) outcome {
	old := m.entries[key]
	for _, k := range append(m.below(key), key) {
		delete(m.entries, k)
	}
	return outcome{Action: a, Key: key, Before: &old, After: entry{Dir: old.Dir, Created: old.Created, Modified: index}}
}

// due returns the keys whose leases have run out, the earliest first.
func (m *model) due(now time.Time) []Key {
	var keys []Key
	for key, e := range m.entries {
		if !e.Ends.IsZero() && !now.Before(e.Ends) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(m.entries[a].Ends.Compare(m.entries[b].Ends), cmp.Compare(a, b))
	})
	return keys
}

// below returns the keys under a directory, sorted.
func (m *model) below(dir Key) []Key {
	keys := slices.Sorted(maps.Keys(m.entries))
	return slices.DeleteFunc(keys, func(k Key) bool { return !isUnder(k, dir) })
}

// shown returns what a listing of a directory shows, level by level.
func (m *model) shown(dir Key, recursive bool) []shownEntry {
	var list []shownEntry
	for _, key := range m.below(dir) {
		if Key(path.Dir(string(key))) != dir || strings.HasPrefix(path.Base(string(key)), "_") {
			continue
		}
		one := shownEntry{Key: key, Entry: m.entries[key]}
		if recursive && one.Entry.Dir {
			one.Entries = m.shown(key, true)
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b shownEntry) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// shownEntry is an entry in a listing.
type shownEntry struct {
	Key     Key
	Entry   entry
	Entries []shownEntry
}

// reaches tells whether a watch must get an event: on its key, below it with no
// hidden name on the way if it is recursive, or the removal of a directory above it.
func (o outcome) reaches(key Key, recursive bool) bool {
	switch {
	case o.Key == key:
		return true
	case isUnder(o.Key, key):
		way := strings.Split(strings.TrimPrefix(string(o.Key), string(key)), "/")
		hidden := slices.ContainsFunc(way, func(name string) bool { return strings.HasPrefix(name, "_") })
		return recursive && !hidden
	case isUnder(key, o.Key):
		return o.Before != nil && o.Before.Dir && (o.Action == Delete || o.Action == Expire)
	}
	return false
}
