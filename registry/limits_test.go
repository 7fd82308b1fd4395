package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// checkCountsLocked recounts what the limits count.
func checkCountsLocked(t fataler, s *Store) {
	var files, dirs, leased int
	var bytes int64
	prefixes := map[string]PrefixStats{}
	walk(s.tree.root, func(n *Node) {
		if n.Key == Root {
			return
		}
		bytes += int64(len(n.Key) + len(n.Value))
		if n.IsDir() {
			dirs++
		} else {
			files++
			p := prefixes[n.Key.prefix()]
			p.count(n, +1)
			prefixes[n.Key.prefix()] = p
		}
		if n.HasLease() {
			leased++
		}
	})
	if got := s.tree; got.files != files || got.dirs != dirs || got.leased != leased || got.bytes != bytes {
		t.Fatalf("the tree counts %d files, %d directories, %d leases, %d bytes; there are %d, %d, %d, %d",
			got.files, got.dirs, got.leased, got.bytes, files, dirs, leased, bytes)
	}
	if names, other := s.tree.census.snapshot(); !other.isZero() || !maps.Equal(names, prefixes) {
		t.Fatalf("the tree counts %v and %v by prefix; there are %v", names, other, prefixes)
	}
}

// More top-level names than can be counted apart are counted together, and off again.
func TestCensusIsBounded(t *testing.T) {
	s := New(Options{})
	const more = 50
	for range 3 {
		for i := range maxPrefixes + more {
			if _, err := s.Put(Key(fmt.Sprintf("/%d/a", i)), PutOptions{Value: "1", TTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		st := s.Stats()
		if want := (PrefixStats{more, more}); len(st.Prefixes) != maxPrefixes || st.Others != want {
			t.Errorf("%d names are counted apart, of the others %+v; want %d and %+v", len(st.Prefixes), st.Others, maxPrefixes, want)
		}
		for i := range maxPrefixes + more {
			if _, err := s.Delete(Key(fmt.Sprintf("/%d", i)), DeleteOptions{Recursive: true}); err != nil {
				t.Fatal(err)
			}
		}
		if st := s.Stats(); len(st.Prefixes) != 0 || !st.Others.isZero() {
			t.Errorf("nothing is left, and %v and %v are counted", st.Prefixes, st.Others)
		}
	}
}

// limitOf is the limit that an error names, 0 for none.
func limitOf(err error) Limit {
	refused, ok := errors.AsType[*Error](err)
	if !ok {
		return 0
	}
	return refused.Limit
}

// smallLimits are in reach of the machine's keys and values.
var smallLimits = Limits{Value: 5, Key: 12, Depth: 3, Entries: 6, Bytes: 40, Removals: 2}

func limitedOptions(author uint64) Options {
	return Options{Author: author, Limits: smallLimits, Retention: 10 * time.Second}
}

// limited is a store with limits that takes part in a cluster of two.
type limited struct {
	*Store
	peer *Store
	j    *memory
	stop func() error // ends the keeping of the journal
}

// open goes on from the journal.
func (l *limited) open(t *rapid.T, author uint64) {
	l.Store = New(limitedOptions(author))
	if err := l.Attach(l.j); err != nil {
		t.Fatal(err)
	}
	l.Synced()
	l.Alive([]uint64{author, 2})
	l.peer.Alive([]uint64{author, 2})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func(s *Store) { done <- s.Keep(ctx) }(l.Store)
	l.stop = func() error { cancel(); return <-done }
}

// The counters are right and the limits refuse what they should, and nothing else, whatever
// is done at the node, at its peer, by time, and by a restart.
func TestLimitsUnderRandomOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reached [nLimits]bool
		rapid.Check(inBubble{t}, func(t *rapid.T) {
			l := &limited{peer: New(Options{Author: 2, Tag: 2, Retention: 10 * time.Second}), j: new(memory)}
			l.open(t, 1)
			defer func() { l.stop() }() //nolint:errcheck // the last commit is nobody's
			t.Repeat(map[string]func(*rapid.T){
				"put":     func(t *rapid.T) { reached[l.put(t)] = true },
				"put2":    func(t *rapid.T) { reached[l.put(t)] = true },
				"post":    func(t *rapid.T) { reached[l.post(t)] = true },
				"beat":    l.beat,
				"peer":    l.putAtPeer,
				"remove":  l.remove,
				"sync":    func(t *rapid.T) { send(t, l.peer, l.Store); send(t, l.Store, l.peer) },
				"sleep":   func(*rapid.T) { time.Sleep(3 * time.Second); l.expireDue(time.Now()) },
				"forget":  func(*rapid.T) { time.Sleep(10 * time.Second); l.expireDue(time.Now()); l.forgetDue() },
				"restart": l.restart,
				"": func(t *rapid.T) {
					checkReplica(t, l.Store)
					checkReplica(t, l.peer)
				},
			})
		})
		for limit := LimitValue; limit <= LimitRemovals; limit++ {
			if !reached[limit] {
				t.Errorf("the limit of %v was never reached", limit)
			}
		}
	})
}

// send brings a store what another has and it lacks.
func send(t *rapid.T, from, to *Store) {
	have := to.Digest()
	for range 1000 {
		delta, then, err := from.Delta(have, 1<<10)
		if err != nil {
			t.Fatal(err)
		}
		if delta == nil {
			return
		}
		if _, _, err := to.Apply(from.Author(), delta); err != nil {
			t.Fatal(err)
		}
		have = then
	}
	t.Fatal("a store never has all of another")
}

// restart goes on from the journal, without what a limit has to say about it.
func (l *limited) restart(t *rapid.T) {
	l.expireDue(time.Now())
	before := held(l.Store)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l.open(t, l.Author()+10)
	if got := held(l.Store); got != before {
		t.Fatalf("before the restart:\n%s\nafter:\n%s", before, got)
	}
}

// anyLongKey draws keys of which some are too long and some too deep.
func anyLongKey(t *rapid.T) Key {
	key := Root
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ccc", "dddddd"}), 1, 4).Draw(t, "key") {
		key = key.Child(name)
	}
	return key
}

func anyWrite(t *rapid.T) PutOptions {
	return PutOptions{
		Value:   rapid.SampledFrom([]string{"", "1", "12345", "123456"}).Draw(t, "value"),
		TTL:     rapid.SampledFrom([]time.Duration{0, 2 * time.Second, time.Hour}).Draw(t, "ttl"),
		Dir:     rapid.IntRange(0, 4).Draw(t, "dir") == 0,
		Refresh: rapid.IntRange(0, 4).Draw(t, "refresh") == 0,
		Exist:   rapid.SampledFrom([]Presence{AnyPresence, AnyPresence, MustExist, MustNotExist}).Draw(t, "exist"),
	}
}

func (l *limited) put(t *rapid.T) Limit {
	key, o := anyLongKey(t), anyWrite(t)
	l.expireDue(time.Now())
	want := l.expect(key, o)
	_, err := l.Put(key, o)
	l.judge(t, want, err)
	return limitOf(err)
}

func (l *limited) post(t *rapid.T) Limit {
	dir, o := Key("/"+rapid.SampledFrom([]string{"a", "q"}).Draw(t, "dir")), anyWrite(t)
	_, err := l.CreateInOrder(dir, o)
	if limitOf(err) != LimitKey && limitOf(err) != LimitValue && (err == nil || limitOf(err) != 0) {
		t.Fatalf("a key of more than 20 bytes: %v", err)
	}
	return limitOf(err)
}

// beat renews one of the entries with a lease that are there, whoever has made it.
func (l *limited) beat(t *rapid.T) {
	l.expireDue(time.Now())
	var leased []*Node
	walk(l.tree.root, func(n *Node) {
		if n.HasLease() {
			leased = append(leased, n)
		}
	})
	if len(leased) == 0 {
		return
	}
	n := rapid.SampledFrom(leased).Draw(t, "entry")
	o := PutOptions{Value: n.Value, TTL: n.TTL(), Dir: n.IsDir()}
	if n.IsDir() {
		o.Exist = MustExist
	}
	if !l.Repeats(n.Key, o) || l.Repeats(n.Key, PutOptions{Value: n.Value + "x", TTL: n.TTL(), Dir: n.IsDir()}) {
		t.Fatalf("%s: not known to be a renewal, or anything is", n.Key)
	}
	if _, err := l.Put(n.Key, o); err != nil {
		t.Fatalf("a heartbeat of %s is refused: %v", n.Key, err)
	}
}

// remove takes away one of the keys that are there, with all below it.
func (l *limited) remove(t *rapid.T) {
	l.expireDue(time.Now())
	all := entries(l.Store)
	if len(all) == 0 {
		return
	}
	key := rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "key")
	if _, err := l.Delete(key, DeleteOptions{Recursive: true}); err != nil {
		t.Fatalf("the removal of %s is refused: %v", key, err)
	}
}

// putAtPeer writes where there are no limits.
func (l *limited) putAtPeer(t *rapid.T) {
	o := anyWrite(t)
	o.Exist, o.Refresh = AnyPresence, false
	_, _ = l.peer.Put(anyLongKey(t), o) // etcd's rules may refuse it
}

// expect says which limits a write would go beyond, written down without regard to speed.
func (l *limited) expect(key Key, o PutOptions) []Limit {
	if o.Dir && o.Exist != MustExist { // an update leaves a file what it is
		o.Value = ""
	}
	all := entries(l.Store)
	count, bytes := len(all), 0
	for k, e := range all {
		bytes += len(k) + len(e.Value)
	}
	old, exists := all[key]
	if exists && (old.Value == o.Value || o.Refresh) {
		return nil
	}
	growth := len(o.Value) - len(old.Value)
	for _, k := range append(ancestors(key), key) {
		if _, ok := all[k]; !ok {
			count++
			growth += len(k)
		}
	}
	var limits []Limit
	note := func(limit Limit, beyond bool) {
		if beyond {
			limits = append(limits, limit)
		}
	}
	note(LimitValue, len(o.Value) > smallLimits.Value)
	note(LimitBytes, growth > 0 && bytes+growth > int(smallLimits.Bytes))
	if !exists {
		note(LimitKey, len(key) > smallLimits.Key)
		note(LimitDepth, strings.Count(string(key), "/") > smallLimits.Depth)
		note(LimitEntries, count > smallLimits.Entries)
		note(LimitRemovals, l.graves.byKey.Len() >= smallLimits.Removals && l.graves.at(key).isEmpty())
	}
	return limits
}

func (l *limited) judge(t *rapid.T, want []Limit, err error) {
	refused, _ := errors.AsType[*Error](err)
	switch {
	case err == nil && len(want) > 0:
		t.Fatalf("done, beyond the limits %v", want)
	case refused != nil && refused.Limit != 0 && !slices.Contains(want, refused.Limit):
		t.Fatalf("refused by %v, not one of %v: %v", refused.Limit, want, err)
	case refused != nil && refused.Limit != 0 && refused.Index != l.index.last:
		t.Fatalf("the refusal has the index %d, the node %d", refused.Index, l.index.last)
	}
}

// Each limit to the unit, with its error.
func TestLimits(t *testing.T) {
	leased := PutOptions{Value: "1", TTL: time.Hour}
	tests := []struct {
		name   string
		limits Limits
		fill   func(s *Store)
		write  func(s *Store) error
		want   string // "" for done
	}{
		{"value at the limit", Limits{Value: 3}, nil, putter("/k", file("123")), ""},
		{"value", Limits{Value: 3}, nil, putter("/k", file("1234")), "209 4 bytes in the value; the limit is 3 (max-value)"},
		{"value of an update", Limits{Value: 3}, filler("/k"), putter("/k", PutOptions{Value: "1234", Exist: MustExist}), "209 4 bytes in the value; the limit is 3 (max-value)"},
		{"value of a swap", Limits{Value: 3}, filler("/k"), putter("/k", PutOptions{Value: "1234", PrevValue: "1"}), "209 4 bytes in the value; the limit is 3 (max-value)"},
		{"value of a swap that fails", Limits{Value: 3}, filler("/k"), putter("/k", PutOptions{Value: "1234", PrevValue: "2"}), "101 [2 != 1]"},
		{"value in order", Limits{Value: 3}, nil, poster("/q", "1234"), "209 4 bytes in the value; the limit is 3 (max-value)"},
		{"value of a directory", Limits{Value: 3}, nil, putter("/k", PutOptions{Dir: true, Value: "1234"}), ""},
		{"key at the limit", Limits{Key: 4}, nil, putter("/k/x", file("1")), ""},
		{"key", Limits{Key: 4}, nil, putter("/k/xy", file("1")), "209 5 bytes in the key; the limit is 4 (max-key)"},
		{"key in order", Limits{Key: 22}, nil, poster("/qq", "1"), "209 24 bytes in the key; the limit is 22 (max-key)"},
		{"depth at the limit", Limits{Depth: 2}, nil, putter("/a/b", file("1")), ""},
		{"depth", Limits{Depth: 2}, nil, putter("/a/b/c", file("1")), "209 3 segments in the key; the limit is 2 (max-depth)"},
		{"depth in order", Limits{Depth: 1}, nil, poster("/q", "1"), "209 2 segments in the key; the limit is 1 (max-depth)"},
		{"entries at the limit", Limits{Entries: 3}, nil, putter("/a/b/c", file("1")), ""},
		{"entries", Limits{Entries: 2}, nil, putter("/a/b/c", file("1")), "120 3 entries with this write; the limit is 2 (max-entries)"},
		{"entries, create", Limits{Entries: 1}, filler("/a"), putter("/b", PutOptions{Exist: MustNotExist}), "120 2 entries with this write; the limit is 1 (max-entries)"},
		{"entries, directory", Limits{Entries: 1}, filler("/a"), putter("/b", PutOptions{Dir: true}), "120 2 entries with this write; the limit is 1 (max-entries)"},
		{"entries, in order", Limits{Entries: 1}, nil, poster("/q", "1"), "120 2 entries with this write; the limit is 1 (max-entries)"},
		{"entries, change", Limits{Entries: 1}, filler("/a"), putter("/a", file("2")), ""},
		{"entries, swap", Limits{Entries: 1}, filler("/a"), putter("/a", PutOptions{Value: "2", PrevValue: "1"}), ""},
		{"entries, no such key", Limits{Entries: 1}, filler("/a"), putter("/b", PutOptions{Exist: MustExist}), "100 /b"},
		{"entries, below a file", Limits{Entries: 1}, filler("/a"), putter("/a/b", PutOptions{Exist: MustNotExist}), "104 /a"},
		{"entries, heartbeat", Limits{Entries: 1, Value: 1, Bytes: 1, Key: 1}, func(s *Store) {
			s.limits = Limits{}
			_, _ = s.Put("/abc", PutOptions{Value: "1", TTL: time.Hour})
			s.limits = Limits{Entries: 1, Value: 1, Bytes: 1, Key: 1}
		}, putter("/abc", leased), ""},
		{"bytes at the limit", Limits{Bytes: 7}, nil, putter("/a/b", file("1")), ""},
		{"bytes", Limits{Bytes: 6}, nil, putter("/a/b", file("1")), "120 7 bytes of keys and values with this write; the limit is 6 (max-bytes)"},
		{"bytes, growth", Limits{Bytes: 3}, filler("/a"), putter("/a", file("12")), "120 4 bytes of keys and values with this write; the limit is 3 (max-bytes)"},
		{"bytes, no growth", Limits{Bytes: 3}, filler("/a"), putter("/a", file("2")), ""},
		{"bytes, growth by a swap", Limits{Bytes: 3}, filler("/a"), putter("/a", PutOptions{Value: "12", PrevValue: "1"}), "120 4 bytes of keys and values with this write; the limit is 3 (max-bytes)"},
		{"removals", Limits{Removals: 1}, removed("/a"), putter("/b", file("1")), "120 2 removals to remember with this key's; the limit is 1 (max-removals)"},
		{"removals, of this key", Limits{Removals: 1}, removed("/a"), putter("/a", file("1")), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{Limits: tt.limits})
			if tt.fill != nil {
				tt.fill(s)
			}
			before, index := s.Stats(), s.Index()
			err := tt.write(s)
			if got := refusal(t, err); got != tt.want {
				t.Fatalf("answer %q, want %q", got, tt.want)
			}
			after := s.Stats()
			if limit := limitOf(err); limit != 0 && after.Refusals[limit] != before.Refusals[limit]+1 {
				t.Errorf("refusals %v after %v", after.Refusals, before.Refusals)
			}
			if err != nil && (s.Index() != index || after.Bytes != before.Bytes || after.Files != before.Files || after.Dirs != before.Dirs) {
				t.Error("a refusal has changed something")
			}
		})
	}
}

func putter(key Key, o PutOptions) func(*Store) error {
	return func(s *Store) error { _, err := s.Put(key, o); return err }
}

func poster(dir Key, value string) func(*Store) error {
	return func(s *Store) error { _, err := s.CreateInOrder(dir, file(value)); return err }
}

func filler(key Key) func(*Store) {
	return func(s *Store) { _, _ = s.Put(key, file("1")) }
}

// removed makes and removes a key where others remember that.
func removed(key Key) func(*Store) {
	return func(s *Store) {
		s.Alive([]uint64{s.Author(), s.Author() + 1})
		filler(key)(s)
		_, _ = s.Delete(key, DeleteOptions{})
	}
}

// Where all limits are reached records of other nodes are taken, and removals make room.
func TestFullStoreTakesRecords(t *testing.T) {
	full := New(Options{Author: 1, Limits: Limits{Value: 1, Key: 2, Depth: 1, Entries: 1, Bytes: 3}})
	peer := New(Options{Author: 2, Tag: 2})
	for _, s := range []*Store{full, peer} {
		s.Alive([]uint64{1, 2})
	}
	put(t, full, "/a", file("1"))
	put(t, peer, "/long/key", file("long value"))
	sendAll(t, peer, full)
	if got := listed(t, full, Root, GetOptions{Recursive: true}); !slices.Equal(got, []Key{"/a", "/long", "/long/key"}) {
		t.Errorf("a full node holds %v of its own and a peer's", got)
	}
	put(t, full, "/long/key", file("x")) // its key could not be made here
	remove(t, full, "/long")
	remove(t, full, "/a")
	put(t, full, "/b", file("1"))
}

// Watches beyond the limit are refused; those that have their event already are not.
func TestWatchLimit(t *testing.T) {
	s := New(Options{Limits: Limits{Watches: 2}})
	since := put(t, s, "/a", file("1")).Index()
	first := watch(t, s, "/a", WatchOptions{})
	watch(t, s, Root, WatchOptions{Recursive: true, Stream: true})
	for _, o := range []WatchOptions{{}, {Stream: true, Since: since}} {
		_, err := s.Watch("/a", o)
		if got := refusal(t, err); got != "120 3 watches with this one; the limit is 2 (max-watches)" {
			t.Errorf("a third watch %+v: %q", o, got)
		}
	}
	if got := s.Stats(); got.Watchers != 2 || got.Refusals[LimitWatches] != 2 {
		t.Errorf("%d watches, %d refusals", got.Watchers, got.Refusals[LimitWatches])
	}
	if got := told(t, watch(t, s, "/a", WatchOptions{Since: since})); !slices.Equal(got, []string{"set /a"}) {
		t.Errorf("a watch that need not wait sees %v", got)
	}
	first.Close()
	last := watch(t, s, "/a", WatchOptions{})
	put(t, s, "/a", file("2"))
	if n, err := last.Next(context.Background()); err != nil || n.Node.Value != "2" {
		t.Errorf("%v, %v", n, err)
	}
}

// A key's way counts each directory on it.
func TestKeySince(t *testing.T) {
	for _, tt := range []struct {
		key, above Key
		n, bytes   int
	}{
		{"/a", "/a", 1, 2},
		{"/a/bb/c", "/a", 3, 2 + 5 + 7},
		{"/a/bb/c", "/a/bb", 2, 5 + 7},
		{"/a/bb/c", "/a/bb/c", 1, 7},
	} {
		if n, bytes := tt.key.since(tt.above); n != tt.n || bytes != tt.bytes {
			t.Errorf("%s from %s: %d keys of %d bytes, want %d of %d", tt.key, tt.above, n, bytes, tt.n, tt.bytes)
		}
	}
}

// The metrics' names of the limits are what the flags are called.
func ExampleLimit() {
	for limit := LimitValue; limit < nLimits; limit++ {
		fmt.Println(limit)
	}
	// Output:
	// value
	// key
	// depth
	// entries
	// bytes
	// removals
	// watches
}
