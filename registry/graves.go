package registry

import (
	"container/heap"
	"strings"

	"github.com/tidwall/btree"
)

// grave holds what is left of a key that is not alive, or was removed with all below it.
type grave struct {
	entry *record // the removal of an entry; nil if the key lives or never was
	cut   *record // the highest removal of everything at and below the key; nil for none
}

func (g grave) isEmpty() bool { return g.entry == nil && g.cut == nil }

// graves are the removals that are remembered, so that what they removed does not come
// back with a node that has not heard of them. No lock of its own.
type graves struct {
	byKey   btree.Map[Key, grave]
	unsaved *unsaved  // is told what changes
	order   graveHeap // those to be forgotten first on top; retired ones are passed over
}

func (g *graves) at(key Key) grave {
	if g.byKey.Len() == 0 {
		return grave{}
	}
	found, _ := g.byKey.Get(key)
	return found
}

func (g *graves) set(key Key, to grave) {
	g.unsaved.bury(key, to)
	if to.isEmpty() {
		g.byKey.Delete(key)
		return
	}
	g.byKey.Set(key, to)
}

// bury remembers a removal until the given time, in the place of an older one.
func (g *graves) bury(r *record, until instant) {
	to := g.at(r.key)
	if r.kind.isCut() {
		to.cut.retire()
		to.cut = r
	} else {
		to.entry.retire()
		to.entry = r
	}
	g.set(r.key, to)
	r.until = until
	heap.Push(&g.order, r)
	g.compact()
}

// drop forgets a removal.
func (g *graves) drop(r *record) {
	at := g.at(r.key)
	if at.entry == r {
		at.entry = nil
	}
	if at.cut == r {
		at.cut = nil
	}
	g.set(r.key, at)
	r.retire()
}

// due returns a removal that is to be forgotten at time now, or nil.
func (g *graves) due(now instant) *record {
	for len(g.order) > 0 && (g.order[0].is(retired) || g.order[0].until <= now) {
		if r := heap.Pop(&g.order).(*record); !r.is(retired) {
			return r
		}
	}
	return nil
}

// compact rids the heap of what no longer counts when that is most of it.
func (g *graves) compact() {
	if len(g.order) < 1024 || len(g.order) < 4*g.byKey.Len() {
		return
	}
	kept := g.order[:0]
	for _, r := range g.order {
		if !r.is(retired) {
			kept = append(kept, r)
		}
	}
	clear(g.order[len(kept):])
	g.order = kept
	heap.Init(&g.order)
}

// below returns the removals of keys below a key.
func (g *graves) below(key Key) []*record {
	var found []*record
	if g.byKey.Len() == 0 {
		return nil
	}
	prefix := string(key) + "/"
	if key == Root {
		prefix = "/"
	}
	g.byKey.Ascend(Key(prefix), func(k Key, at grave) bool {
		if !strings.HasPrefix(string(k), prefix) {
			return false
		}
		if at.entry != nil && k != key {
			found = append(found, at.entry)
		}
		if at.cut != nil && k != key {
			found = append(found, at.cut)
		}
		return true
	})
	return found
}

// graveHeap implements heap.Interface.
type graveHeap []*record

func (h graveHeap) Len() int           { return len(h) }
func (h graveHeap) Less(i, j int) bool { return h[i].until < h[j].until }
func (h graveHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *graveHeap) Push(x any)        { *h = append(*h, x.(*record)) }

func (h *graveHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return r
}
