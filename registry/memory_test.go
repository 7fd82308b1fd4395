package registry

import (
	"strings"
	"testing"
	"unsafe"
)

// sharesBytes tells whether a string lies within the bytes of a whole.
func sharesBytes(part, whole string) bool {
	at := uintptr(unsafe.Pointer(unsafe.StringData(part)))
	begin := uintptr(unsafe.Pointer(unsafe.StringData(whole)))
	return at >= begin && at < begin+uintptr(len(whole))
}

// TestEntriesDoNotHoldTheRequest writes from a large body, as a form parser cuts it,
// and makes sure that an entry of a few bytes does not keep it all.
func TestEntriesDoNotHoldTheRequest(t *testing.T) {
	body := "/dir/sub/key=value&" + strings.Repeat("x", 1000)
	key, value := Key(body[:12]), body[13:18]
	s := New(Options{})
	first := put(t, s, key, file(value)).Node
	for _, dir := range []Key{"/dir", "/dir/sub", "/dir/sub/key"} {
		r, err := s.Get(dir, GetOptions{})
		if err != nil || sharesBytes(string(r.Key), body) || sharesBytes(r.Value, body) {
			t.Errorf("%s holds the request, %v", dir, err)
		}
	}
	second := put(t, s, key, file(strings.Clone(value))).Node
	if !sharesBytes(second.Value, first.Value) || !sharesBytes(string(second.Key), string(first.Key)) {
		t.Error("a write of the same value does not share it with the version before")
	}
	for _, name := range mapKeys(s.tree.root) {
		if sharesBytes(name, body) {
			t.Errorf("the entry %s holds the request by its name", name)
		}
	}
}

// mapKeys returns the names under which all entries below a directory are found.
func mapKeys(n *Node) []string {
	var names []string
	if n.IsDir() {
		n.dir.entries.Scan(func(name string, entry *Node) bool {
			names = append(append(names, name), mapKeys(entry)...)
			return true
		})
	}
	return names
}

// TestHistoryGivesMemoryBack shrinks the ring of a name that was busy once.
func TestHistoryGivesMemoryBack(t *testing.T) {
	h := smallHistory(4096, 0)
	index := uint64(0)
	for _, key := range []Key{"/once/x", "/now/x"} {
		for range 8192 {
			index++
			h.add(event(key, index))
		}
	}
	for i := range uint64(4096) { // as many names as there is room for
		h.add(event(Root.Child(strings.Repeat("n", int(1+i%64))), index+1+i))
	}
	for name, r := range h.rings {
		if len(r.events) > max(64, 4*r.n) {
			t.Errorf("the ring of %.8s has room for %d, and %d events", name, len(r.events), r.n)
		}
	}
}
