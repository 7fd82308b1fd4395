package registry

import (
	"strings"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// dir is what a directory holds. Its node leads to it and is replaced on writes;
// the dir stays.
type dir struct {
	parent  *dir // nil for the root
	entries btree.Map[string, *Node]

	// snapshots are the cached listings: made by readers, dropped by the next write
	// at or below the directory.
	snapshots [nScopes]atomic.Pointer[snapshot]
}

// scope is how much of a directory a listing shows.
type scope int

const (
	oneLevel scope = iota
	allLevels
	nScopes
)

// snapshot is a cached listing with its encoding.
type snapshot struct {
	listing   Listing
	rendering Rendering
}

// The bounds of what is kept for readers. A listing of more nodes than maxCachedNodes
// is made anew each time, which costs little compared with sending it. The encodings
// of all listings share maxRenderedBytes; without that, a deep tree would be kept once
// for each of its levels.
const (
	maxCachedNodes   = 1 << 14
	maxRenderedBytes = 64 << 20
)

// tree is the directory tree with the path rules of the v2 API: no lock, no clock,
// no index of its own.
type tree struct {
	root     *Node
	files    int
	dirs     int   // without the root
	leased   int   // of both
	bytes    int64 // of the keys and values of both
	census   census
	rendered *budget
	unsaved  *unsaved // is told what changes
	picture  *picture // is told, too, while a snapshot is made; else nil
}

func newTree(u *unsaved) tree {
	t := tree{root: &Node{Key: Root, dir: new(dir)}, rendered: new(budget), unsaved: u}
	t.rendered.left.Store(maxRenderedBytes)
	return t
}

// place is where a key is or would be: a name in a directory.
type place struct {
	key  Key
	name string
	dir  *dir
	node *Node // nil if there is no such entry
}

// find returns the place of an existing key. It fails with CodeNotDir at a file in
// the way, with CodeKeyNotFound at the first ancestor that is missing.
func (t *tree) find(key Key) (place, *Error) {
	at := place{key: Root, node: t.root}
	for rest := string(key[1:]); rest != ""; {
		if !at.node.IsDir() {
			return at, &Error{Code: CodeNotDir, Cause: string(at.key)}
		}
		name, below, _ := strings.Cut(rest, "/")
		at.dir, at.name = at.node.dir, name
		at.key = key[:len(key)-len(rest)+len(name)]
		node, ok := at.dir.entries.Get(name)
		if !ok {
			return at, &Error{Code: CodeKeyNotFound, Cause: string(at.key)}
		}
		at.node, rest = node, below
	}
	return at, nil
}

// reach returns the place of a key below the root and makes the directories that
// lead to it, with the given index. Those without a record of their own, the new ones
// among them, get one from stamp; nil leaves them without. It fails, and has made nothing,
// with CodeNotDir at a file in the way.
func (t *tree) reach(key Key, index uint64, stamp func(Key) *record) (place, *Error) {
	parent := t.root
	for rest := string(key[1:]); ; {
		name, below, more := strings.Cut(rest, "/")
		end := len(key) - len(rest) + len(name)
		node, _ := parent.dir.entries.Get(name)
		if !more {
			return place{key: key, name: name, dir: parent.dir, node: node}, nil
		}
		if node == nil {
			own := Key(strings.Clone(string(key[:end])))
			node = &Node{Key: own, CreatedIndex: index, ModifiedIndex: index, dir: &dir{parent: parent.dir}}
			t.put(place{key: own, name: own.Name(), dir: parent.dir}, node)
		}
		if !node.IsDir() {
			return place{}, &Error{Code: CodeNotDir, Cause: string(key[:end])}
		}
		if node.rec == nil && stamp != nil {
			stamped := *node
			stamped.rec = stamp(node.Key)
			t.put(place{key: node.Key, name: name, dir: parent.dir, node: node}, &stamped)
			node = &stamped
		}
		parent, rest = node, below
	}
}

// put sets the node at a place; at.node is the one it replaces.
func (t *tree) put(at place, node *Node) {
	if at.node != nil {
		t.count(at.node, -1)
		if at.node.IsDir() {
			at.node.dir.dropSnapshots() // they show the old node
		}
	}
	t.count(node, +1)
	t.census.replace(at.node, node)
	t.unsaved.put(at.node, node)
	t.picture.keep(node.Key, at.node)
	at.dir.entries.Set(node.Key.Name(), node) // at.name may be part of a request's memory
	at.dir.changed()
}

// remove takes the node at a place out of the tree, with everything below it.
func (t *tree) remove(at place) {
	walk(at.node, func(n *Node) {
		t.count(n, -1)
		t.census.replace(n, nil)
		t.unsaved.remove(n)
		t.picture.keep(n.Key, n)
		if n.IsDir() {
			n.dir.dropSnapshots()
		}
	})
	at.dir.entries.Delete(at.name)
	at.dir.changed()
}

func (t *tree) count(n *Node, by int) {
	if n.HasLease() {
		t.leased += by
	}
	t.bytes += int64(by * (len(n.Key) + len(n.Value)))
	if n.IsDir() {
		t.dirs += by
	} else {
		t.files += by
	}
}

// walk calls visit for the node and all nodes below it.
func walk(n *Node, visit func(*Node)) {
	visit(n)
	if n.IsDir() {
		n.dir.entries.Scan(func(_ string, entry *Node) bool {
			walk(entry, visit)
			return true
		})
	}
}

// walkAfter calls visit for what is below a directory and comes after a path in it, "" for all,
// in the order of Key.compare, until visit returns false; then it does, too. The path itself
// and the directories on it count as visited.
func (d *dir) walkAfter(path string, visit func(*Node) bool) bool {
	first, below, _ := strings.Cut(path, "/")
	more := true
	d.entries.Ascend(first, func(name string, n *Node) bool {
		from := ""
		if name == first {
			from = below
		} else {
			more = visit(n)
		}
		if more && n.IsDir() {
			more = n.dir.walkAfter(from, visit)
		}
		return more
	})
	return more
}

// changed drops the cached listings that show the directory.
func (d *dir) changed() {
	for ; d != nil; d = d.parent {
		d.dropSnapshots()
	}
}

func (d *dir) dropSnapshots() {
	for what := range d.snapshots {
		if d.snapshots[what].Load() != nil {
			d.snapshots[what].Swap(nil).rendering.drop()
		}
	}
}

// list returns a snapshot of a directory's node, cached until something changes.
// Readers may call it side by side, as long as nobody writes.
func (t *tree) list(n *Node, what scope) *snapshot {
	if cached := n.dir.snapshots[what].Load(); cached != nil {
		return cached
	}
	snap := new(snapshot)
	snap.rendering.budget = t.rendered
	var nodes int
	snap.listing, nodes = n.snapshot(what, 1)
	if nodes > maxCachedNodes || !n.dir.snapshots[what].CompareAndSwap(nil, snap) {
		snap.rendering.drop()
	}
	return snap
}

// snapshot copies a node and its visible entries; level is 1 for the node asked for,
// whose entries are always shown. It returns the number of nodes copied, too.
func (n *Node) snapshot(what scope, level int) (Listing, int) {
	l, nodes := Listing{Node: n}, 1
	if !n.IsDir() || what == oneLevel && level > 1 {
		return l, nodes
	}
	l.Entries = make([]Listing, 0, n.dir.entries.Len())
	n.dir.entries.Scan(func(name string, entry *Node) bool {
		if !isHidden(name) {
			sub, more := entry.snapshot(what, level+1)
			l.Entries = append(l.Entries, sub)
			nodes += more
		}
		return true
	})
	return l, nodes
}
