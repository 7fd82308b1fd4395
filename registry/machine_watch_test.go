package registry

import (
	"slices"

	"pgregory.net/rapid"
)

// watchAny begins a watch from now, from the beginning, from an event of the past or
// behind it, or from the future.
func (m *machine) watchAny(t *rapid.T) {
	o := WatchOptions{Recursive: rapid.Bool().Draw(t, "recursive"), Stream: rapid.Bool().Draw(t, "stream")}
	last := m.store.index.last
	since := []uint64{0, 1, last, last + 1, last + 10_000}
	for _, e := range m.log {
		since = append(since, e.After.Modified, e.After.Modified+1)
	}
	o.Since = rapid.SampledFrom(since).Draw(t, "since")
	m.watch(t, anyKey(t), o)
}

func (m *machine) watch(t *rapid.T, key Key, o WatchOptions) {
	w, err := m.store.Watch(key, o)
	if err != nil {
		t.Fatalf("watch %s %+v: %v", key, o, err)
	}
	if w.StartIndex != m.store.index.last {
		t.Fatalf("watch starts at %d, index is %d", w.StartIndex, m.store.index.last)
	}
	since := o.Since
	if since == 0 {
		since = w.StartIndex + 1
	}
	m.watches = append(m.watches, &watched{Watch: w, since: since})
}

// unwatch ends a watch; without any, one is begun.
func (m *machine) unwatch(t *rapid.T) {
	if len(m.watches) == 0 {
		m.watchAny(t)
		return
	}
	i := rapid.IntRange(0, len(m.watches)-1).Draw(t, "watch")
	w := m.watches[i]
	w.Close()
	w.Close()
	m.delivered(t, w)
	m.watches = slices.Delete(m.watches, i, i+1)
}

// delivered compares what a watch has told so far with the log.
func (m *machine) delivered(t *rapid.T, w *watched) {
	events, err := unread(w.Watch)
	if err != nil {
		t.Fatalf("watch %s %+v: %v", w.key, w.opts, err)
	}
	want := []outcome{}
	for _, o := range m.log[w.seen:] {
		if o.After.Modified >= w.since && o.reaches(w.key, w.opts.Recursive) && !w.done {
			want = append(want, o)
			w.done = !w.opts.Stream
		}
	}
	w.seen = len(m.log)
	got := []outcome{}
	for _, e := range events {
		got = append(got, answer(e, nil))
	}
	if diff := differ(want, got); diff != "" {
		t.Fatalf("watch %s %+v from %d (-model +store):\n%s", w.key, w.opts, w.since, diff)
	}
}
