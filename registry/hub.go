package registry

import (
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// hub finds the watches that an event concerns. It is guarded by the store's mutex.
type hub struct {
	byKey btree.Map[Key, []*Watch]
	n     int
}

func (h *hub) add(w *Watch) {
	list, _ := h.byKey.Get(w.key)
	w.pos = len(list)
	h.byKey.Set(w.key, append(list, w))
	h.n++
}

func (h *hub) remove(w *Watch) {
	if w.pos < 0 {
		return
	}
	list, _ := h.byKey.Get(w.key)
	last := len(list) - 1
	list[last].pos = w.pos
	list[w.pos] = list[last]
	list[last] = nil
	w.pos = -1
	h.n--
	if last == 0 {
		h.byKey.Delete(w.key)
		return
	}
	h.byKey.Set(w.key, list[:last])
}

// notify delivers an event to all watches that it concerns.
func (h *hub) notify(e *Event) {
	if h.n == 0 {
		return
	}
	n := &Notice{Event: e}
	for key := e.Node.Key; ; key = key.Parent() {
		h.notifyKey(key, n)
		if key == Root {
			break
		}
	}
	if e.removesDir() {
		for _, key := range h.keysBelow(e.Node.Key) {
			h.notifyKey(key, n)
		}
	}
}

func (h *hub) notifyKey(key Key, n *Notice) {
	list, _ := h.byKey.Get(key)
	for _, w := range slices.Backward(list) {
		if n.Index() < w.opts.Since || !n.concerns(key, w.opts.Recursive) {
			continue
		}
		if !w.deliver(n) {
			h.remove(w)
		}
	}
}

func (h *hub) keysBelow(dir Key) []Key {
	var keys []Key
	prefix := string(dir) + "/"
	h.byKey.Ascend(Key(prefix), func(key Key, _ []*Watch) bool {
		if !strings.HasPrefix(string(key), prefix) {
			return false
		}
		keys = append(keys, key)
		return true
	})
	return keys
}
