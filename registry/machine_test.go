package registry

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestStoreFollowsModel runs random operations on a store and on the model, under
// virtual time, and compares all that can be seen after each step.
func TestStoreFollowsModel(t *testing.T) {
	tests := []struct {
		name  string
		opts  Options
		clock time.Duration // how far the clock is ahead of the bubble's, which begins in 2000
	}{
		{name: "renewals are no events"},
		{name: "renewals are events", opts: Options{RenewalEvents: true}, clock: 26 * 365 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(tt.clock)
				rapid.Check(inBubble{t}, func(t *rapid.T) { newMachine(tt.opts).run(t) })
			})
		})
	}
}

// inBubble hides the methods of a test that a synctest bubble forbids.
type inBubble struct{ rapid.TB }

// machine drives a store and a model side by side.
type machine struct {
	store   *Store
	model   model
	log     []outcome // all events since the beginning, as the model has them
	watches []*watched
	kept    []kept // published values, to see that they never change

	ok, failed  [nActions]uint64
	renewals    uint64
	expirations uint64
}

// watched is a watch with what it must deliver: the log from an index on.
type watched struct {
	*Watch
	since uint64
	seen  int // how much of the log it has been compared with
	done  bool
}

// kept is a published node with its looks at that time.
type kept struct {
	node  *Node
	looks entry
}

func newMachine(o Options) *machine {
	return &machine{
		store: New(o),
		model: model{entries: map[Key]entry{}, renewalEvents: o.RenewalEvents},
	}
}

func (m *machine) run(t *rapid.T) {
	for _, key := range []Key{"/", "/a", "/_h"} {
		m.watch(t, key, WatchOptions{Recursive: true, Stream: true})
	}
	t.Repeat(map[string]func(*rapid.T){
		"put":     m.put,
		"put2":    m.put, // more often than the others
		"put3":    m.put,
		"post":    m.post,
		"delete":  m.remove,
		"renew":   m.renew,
		"get":     m.get,
		"sleep":   m.sleep,
		"watch":   m.watchAny,
		"unwatch": m.unwatch,
		"":        m.check,
	})
}

func anyKey(t *rapid.T) Key {
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "_h", "ab"}), 0, 3).Draw(t, "key")
	key := Root
	for _, name := range names {
		key = key.Child(name)
	}
	return key
}

func anyValue() *rapid.Generator[string] { return rapid.SampledFrom([]string{"", "1", "2"}) }

func anyTTL() *rapid.Generator[time.Duration] {
	return rapid.SampledFrom([]time.Duration{0, 0, time.Second, 2 * time.Second, 5 * time.Second, EndAtOnce})
}

// anyPrevIndex draws no condition, the right index or a wrong one.
func (m *machine) anyPrevIndex(t *rapid.T, key Key) uint64 {
	return rapid.SampledFrom([]uint64{0, 0, m.model.entries[key].Modified, 7}).Draw(t, "prevIndex")
}

func (m *machine) put(t *rapid.T) {
	key := anyKey(t)
	o := PutOptions{
		Value:     anyValue().Draw(t, "value"),
		TTL:       anyTTL().Draw(t, "ttl"),
		Dir:       rapid.Bool().Draw(t, "dir"),
		Refresh:   rapid.IntRange(0, 4).Draw(t, "refresh") == 0,
		Exist:     rapid.SampledFrom([]Presence{AnyPresence, AnyPresence, MustExist, MustNotExist}).Draw(t, "exist"),
		PrevValue: rapid.SampledFrom([]string{"", "", "1", "2"}).Draw(t, "prevValue"),
		PrevIndex: m.anyPrevIndex(t, key),
	}
	m.doPut(t, key, o)
}

// renew repeats the value and TTL of an entry; without any, one is put.
func (m *machine) renew(t *rapid.T) {
	keys := m.model.below(Root)
	if len(keys) == 0 {
		m.put(t)
		return
	}
	key := rapid.SampledFrom(keys).Draw(t, "key")
	e := m.model.entries[key]
	o := PutOptions{Value: e.Value, TTL: e.TTL, Dir: e.Dir}
	if e.Dir || rapid.Bool().Draw(t, "update") {
		o.Exist = MustExist
	}
	m.doPut(t, key, o)
}

func (m *machine) doPut(t *rapid.T, key Key, o PutOptions) {
	m.operate(t, o.action(), func() (*Event, error) { return m.store.Put(key, o) },
		func(index uint64) outcome { return m.model.put(key, o, index, time.Now()) })
}

func (m *machine) post(t *rapid.T) {
	dir := anyKey(t)
	o := PutOptions{Value: anyValue().Draw(t, "value"), TTL: anyTTL().Draw(t, "ttl"), Dir: rapid.Bool().Draw(t, "dir")}
	m.operate(t, Create, func() (*Event, error) { return m.store.CreateInOrder(dir, o) },
		func(index uint64) outcome { return m.model.postInOrder(dir, o, index, time.Now()) })
}

func (m *machine) remove(t *rapid.T) {
	key := anyKey(t)
	o := DeleteOptions{
		Dir:       rapid.Bool().Draw(t, "dir"),
		Recursive: rapid.Bool().Draw(t, "recursive"),
		PrevValue: rapid.SampledFrom([]string{"", "", "", "1"}).Draw(t, "prevValue"),
		PrevIndex: m.anyPrevIndex(t, key),
	}
	action := Delete
	if o.PrevValue != "" || o.PrevIndex != 0 {
		action = CompareAndDelete
	}
	m.operate(t, action, func() (*Event, error) { return m.store.Delete(key, o) },
		func(index uint64) outcome { return m.model.remove(key, o, index) })
}

// operate runs one write on both sides and compares the answers and the events.
func (m *machine) operate(t *rapid.T, a Action, do func() (*Event, error), expect func(index uint64) outcome) {
	before := m.store.index.last
	e, err := do()
	events := published(m.store, before)
	events = events[m.expired(t, events):]
	index := uint64(0)
	if e != nil {
		index = e.Index()
	}
	want := expect(index)
	got := answer(e, err)
	got.Silent = e != nil && len(events) == 0
	if diff := differ(want, got); diff != "" {
		t.Fatalf("answer (-model +store):\n%s", diff)
	}
	m.count(a, want)
	last := m.lastIndex(before, events)
	if want.Refusal != "" {
		m.refused(t, err, last, events)
		return
	}
	m.succeeded(t, e, last, events)
	if !want.Silent {
		m.log = append(m.log, want)
	}
	m.keep(e.Node, e.Prev)
}

// lastIndex returns the index after the expiries that came before an operation.
func (m *machine) lastIndex(before uint64, own []*Event) uint64 {
	if n := len(m.log); n > 0 && (len(own) == 0 || m.log[n-1].After.Modified < own[0].Index()) {
		return max(before, m.log[n-1].After.Modified)
	}
	return before
}

func (m *machine) refused(t *rapid.T, err error, last uint64, events []*Event) {
	refused := err.(*Error) //nolint:errorlint // the store promises this very type
	if len(events) > 0 || m.store.index.last != last || refused.Index != last {
		t.Fatalf("a refusal has used an index: %d, error %d, before %d, events %v",
			m.store.index.last, refused.Index, last, names(events))
	}
}

func (m *machine) succeeded(t *rapid.T, e *Event, last uint64, events []*Event) {
	switch {
	case e.Index() <= last || e.Index() >= 1<<53 || e.Index() != m.store.index.last:
		t.Fatalf("index %d after %d, store says %d", e.Index(), last, m.store.index.last)
	case len(events) > 1 || len(events) == 1 && events[0] != e:
		t.Fatalf("the write of %s published %v", e.Node.Key, names(events))
	case !e.At().Equal(time.Now()):
		t.Fatalf("event is of %v at %v", e.At(), time.Now())
	}
}

func (m *machine) count(a Action, o outcome) {
	switch {
	case o.Refusal != "":
		m.failed[a]++
	default:
		m.ok[a]++
	}
	if o.Silent {
		m.renewals++
	}
}

// expired follows the expiries among new events, which come first, and returns how
// many there were. Each must end a lease that no other precedes.
func (m *machine) expired(t *rapid.T, events []*Event) int {
	n := 0
	for _, e := range events {
		if e.Action != Expire {
			break
		}
		n++
		due := m.model.due(time.Now())
		if len(due) == 0 || !m.model.entries[due[0]].Ends.Equal(m.model.entries[e.Node.Key].Ends) {
			t.Fatalf("%s expires, due are %v", e.Node.Key, due)
		}
		want := m.model.drop(Expire, e.Node.Key, e.Index())
		if diff := differ(want, answer(e, nil)); diff != "" {
			t.Fatalf("expiry (-model +store):\n%s", diff)
		}
		m.log = append(m.log, want)
		m.expirations++
	}
	if due := m.model.due(time.Now()); len(due) > 0 {
		t.Fatalf("%v have outlived their leases", due)
	}
	return n
}

func (m *machine) keep(nodes ...*Node) {
	for _, n := range nodes {
		if n != nil {
			m.kept = append(m.kept, kept{n, looks(n)})
		}
	}
}

func (m *machine) get(t *rapid.T) {
	key, o := anyKey(t), GetOptions{Recursive: rapid.Bool().Draw(t, "recursive")}
	before := m.store.index.last
	r, err := m.store.Get(key, o)
	events := published(m.store, before)
	if n := m.expired(t, events); n != len(events) {
		t.Fatalf("a read published %v", names(events[n:]))
	}
	missing, found := m.model.lookup(key)
	if !found {
		m.failed[Get]++
		if got := answer(nil, err); got.Refusal != missing.Refusal {
			t.Fatalf("get %s: %q, want %q", key, got.Refusal, missing.Refusal)
		}
		return
	}
	m.ok[Get]++
	want := shownEntry{Key: key, Entry: m.model.entries[key]}
	if key == Root {
		want.Entry = entry{Dir: true}
	}
	if want.Entry.Dir {
		want.Entries = m.model.shown(key, o.Recursive)
	}
	if diff := differ(want, shown(r.Listing)); diff != "" {
		t.Fatalf("get %s %+v (-model +store):\n%s", key, o, diff)
	}
	if r.Index != m.store.index.last || (r.Rendering != nil) != want.Entry.Dir {
		t.Fatalf("get %s: index %d of %d, rendering %v", key, r.Index, m.store.index.last, r.Rendering)
	}
	m.keep(r.Node)
}

func (m *machine) sleep(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Microsecond, time.Second, 3 * time.Second}).Draw(t, "sleep"))
	before := m.store.index.last
	m.store.expireDue(time.Now())
	m.expired(t, published(m.store, before))
}
