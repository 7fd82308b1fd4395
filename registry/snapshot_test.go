package registry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// entriesOf returns what a store holds, in order, as a backup would have it.
func entriesOf(s *Store) []Entry { return slices.Collect(s.Snapshot().Entries()) }

// plainEntries walks the whole tree at once, which a snapshot may not do.
func plainEntries(s *Store, now time.Time) []Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Entry
	walk(s.tree.root, func(n *Node) {
		if n.Key != Root {
			all = append(all, n.asEntry(now))
		}
	})
	return all
}

func TestSnapshotShowsAll(t *testing.T) {
	s := New(Options{})
	for i := range 3 * snapshotBatch {
		put(t, s, Key(fmt.Sprintf("/d%d/sub/%d", i%7, i)), file(strconv.Itoa(i)))
	}
	put(t, s, "/a/b", file("1"))
	put(t, s, "/a-b", file("2"))
	put(t, s, "/empty", PutOptions{Dir: true})
	put(t, s, "/_hidden/käse ☕", putLeased("3", time.Minute))
	snap := s.Snapshot()
	got := slices.Collect(snap.Entries())
	if want := plainEntries(s, snap.Time); !slices.Equal(got, want) {
		t.Errorf("%d entries, %d are there", len(got), len(want))
	}
	if snap.Len() != len(got) || snap.Index != s.Index() || snap.Stamp <= s.self.time(t) {
		t.Errorf("%d entries, index %d of %d, stamp %d", snap.Len(), snap.Index, s.Index(), snap.Stamp)
	}
	for i := range got[1:] {
		if !got[i+1].Key.IsAfter(got[i].Key) {
			t.Errorf("%q comes after %q", got[i+1].Key, got[i].Key)
		}
	}
}

// time returns the highest version of an author.
func (a *author) time(t *testing.T) (highest uint64) {
	t.Helper()
	a.log.Scan(func(_ uint64, r *record) bool { highest = max(highest, r.time); return true })
	return highest
}

// Whatever is written between the batches, a snapshot shows the state of its moment.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	keys := []Key{"/a", "/a/b", "/a/b/c", "/a-b", "/b", "/b/c", "/b/d", "/c/a/b", "/c/z", "/é"}
	rapid.Check(t, func(rt *rapid.T) {
		s := New(Options{})
		write := func() {
			key := rapid.SampledFrom(keys).Draw(rt, "key")
			switch rapid.IntRange(0, 5).Draw(rt, "op") {
			case 0, 1:
				_, _ = s.Put(key, file(rapid.StringMatching("[a-c]").Draw(rt, "value"))) // refused where a directory is
			case 2:
				_, _ = s.Put(key, putLeased("x", time.Hour))
			case 3:
				_, _ = s.Put(key, PutOptions{Dir: true, Exist: MustNotExist})
			case 4:
				_, _ = s.Delete(key, DeleteOptions{Recursive: true})
			default:
				_, _ = s.Put(key, PutOptions{Dir: true, TTL: time.Hour, Exist: MustExist})
			}
		}
		for range rapid.IntRange(0, 15).Draw(rt, "before") {
			write()
		}
		snap, p := s.beginPicture()
		want := plainEntries(s, snap.Time)
		for more := true; more; {
			for range rapid.IntRange(0, 4).Draw(rt, "between") {
				write()
			}
			more = s.extendPicture(p, rapid.IntRange(1, 3).Draw(rt, "batch"))
		}
		for range rapid.IntRange(0, 4).Draw(rt, "after") {
			write()
		}
		s.endPicture()
		snap.nodes = p.merged()
		if got := slices.Collect(snap.Entries()); !slices.Equal(got, want) {
			rt.Errorf("a snapshot shows\n%v\nand the moment was\n%v", got, want)
		}
		if s.tree.picture != nil {
			rt.Error("the tree still keeps what it had")
		}
	})
}

// Of two keys that one writer writes in turns, a snapshot never shows the second ahead.
func TestSnapshotWhileWritersRun(t *testing.T) {
	s := New(Options{})
	for i := range 20 * snapshotBatch {
		put(t, s, Key("/m/"+strconv.Itoa(i)), file(""))
	}
	put(t, s, "/z", file("0"))
	put(t, s, "/a", file("0"))
	stop, writing := make(chan struct{}), make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 1; ; i++ {
			if i == 2 {
				close(writing)
			}
			select {
			case <-stop:
				return
			default:
			}
			for _, key := range []Key{"/z", "/a"} { // the one that is looked at last is written first
				if _, err := s.Put(key, file(strconv.Itoa(i))); err != nil {
					t.Error(err)
				}
			}
		}
	})
	<-writing
	for range 10 {
		values := map[Key]int{}
		for e := range s.Snapshot().Entries() {
			if e.Key == "/a" || e.Key == "/z" {
				values[e.Key], _ = strconv.Atoi(e.Value)
			}
		}
		if d := values["/z"] - values["/a"]; d != 0 && d != 1 {
			t.Errorf("/z holds %d and /a %d", values["/z"], values["/a"])
		}
	}
	close(stop)
	writers.Wait()
}

// restored returns a store that goes on from the journal of a restoration, and that journal.
func restored(t *testing.T, snap *Snapshot) (*Store, *memory) {
	t.Helper()
	r := NewRestoration(snap.Stamp)
	j := new(memory)
	for e := range snap.Entries() {
		c, err := r.Entry(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Commit([]Change{c}, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Commit(r.Rest(), true); err != nil {
		t.Fatal(err)
	}
	s := New(Options{AfterIndex: snap.Index})
	if err := s.Attach(j); err != nil {
		t.Fatal(err)
	}
	return s, j
}

// A restored store holds what the old one held: leases begin anew, indexes go on.
func TestRestoration(t *testing.T) {
	s := New(Options{AfterIndex: 1<<48 | 1<<47}) // ahead of the clock
	put(t, s, "/creds/mq", file("secret"))
	put(t, s, "/creds/mq", file("secret2"))
	put(t, s, "/hosts/fe1", putLeased("10.0.0.1", time.Hour))
	put(t, s, "/dir", PutOptions{Dir: true, TTL: time.Minute})
	put(t, s, "/gone", file("x"))
	remove(t, s, "/gone")
	snap := s.Snapshot()
	_, j := restored(t, snap)
	again, _ := attached(t, j, Options{AfterIndex: snap.Index})
	checkReplica(t, again)
	got := entriesOf(again)
	want := slices.Collect(snap.Entries())
	for i := range want {
		if want[i].Leased {
			want[i].CreatedIndex, want[i].ModifiedIndex = again.start, again.start
			want[i].Left, got[i].Left = 0, 0
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("restored are\n%v\nnot\n%v", got, want)
	}
	e := put(t, again, "/creds/mq", PutOptions{Value: "secret3", PrevIndex: snapEntry(t, snap, "/creds/mq").ModifiedIndex})
	if e.Node.ModifiedIndex <= snap.Index {
		t.Errorf("index %d comes after %d", e.Node.ModifiedIndex, snap.Index)
	}
}

func snapEntry(t *testing.T, snap *Snapshot, key Key) Entry {
	t.Helper()
	for e := range snap.Entries() {
		if e.Key == key {
			return e
		}
	}
	t.Fatalf("no %s", key)
	return Entry{}
}

// Against a node that has gone on after the backup, a restored one loses.
func TestRestorationLosesAgainstLaterWrites(t *testing.T) {
	old := New(Options{})
	old.Alive([]uint64{old.Author(), 1}) // else it need not remember removals
	put(t, old, "/changed", file("1"))
	put(t, old, "/removed", file("1"))
	put(t, old, "/same", file("1"))
	snap := old.Snapshot()
	put(t, old, "/changed", file("2"))
	remove(t, old, "/removed")
	again, _ := restored(t, snap)
	for range 2 {
		transfer(t, old, again)
		transfer(t, again, old)
	}
	for _, s := range []*Store{old, again} {
		if got, want := keysOf(s), map[Key]string{"/changed": "2", "/same": "1"}; !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// Nodes that join a restored one empty come to hold what it holds.
func TestEmptyNodesJoinARestoredOne(t *testing.T) {
	old := New(Options{})
	put(t, old, "/creds/mq", file("secret"))
	put(t, old, "/hosts/fe1", putLeased("10.0.0.1", time.Hour))
	first, _ := restored(t, old.Snapshot())
	second := New(Options{})
	transfer(t, first, second)
	transfer(t, second, first)
	checkReplica(t, second)
	if a, b := keysOf(first), keysOf(second); len(a) != 4 || !maps.Equal(a, b) {
		t.Errorf("the first holds %v, the second %v", a, b)
	}
}

// keysOf returns what a store holds by key.
func keysOf(s *Store) map[Key]string {
	all := map[Key]string{}
	for _, e := range entriesOf(s) {
		all[e.Key] = e.Value
	}
	return all
}

// transfer brings to one store what it lacks of another.
func transfer(t *testing.T, from, to *Store) {
	t.Helper()
	for range 100 {
		delta, _, err := from.Delta(to.Digest(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if delta == nil {
			return
		}
		if _, _, err := to.Apply(from.Author(), delta); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("there is always more")
}

func TestRestorationRefuses(t *testing.T) {
	r := NewRestoration(1)
	for what, e := range map[string]Entry{
		"the root":               {Key: "/", Dir: true},
		"a path":                 {Key: "/a/../b"},
		"no slash":               {Key: "a"},
		"nothing":                {},
		"a NUL":                  {Key: "/a\x00"},
		"too deep":               {Key: Key(strings.Repeat("/a", MaxSegments+1))},
		"too large":              {Key: "/a", Value: strings.Repeat("x", maxEntry-1)},
		"a TTL without a lease":  {Key: "/a", TTL: 1},
		"a directory's value":    {Key: "/a", Dir: true, Value: "x"},
		"a lease of the far end": {Key: "/a", Leased: true, TTL: -1},
	} {
		if _, err := r.Entry(e); !errors.Is(err, errEntry) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if r.by.have != 0 {
		t.Errorf("%d records were made", r.by.have)
	}
}

// The largest entry that is taken is one that a node can load.
func TestRestorationOfTheLargestEntry(t *testing.T) {
	value := strings.Repeat("x", maxEntry-2)
	again, _ := restored(t, &Snapshot{Stamp: 1, Index: 1, nodes: []*Node{
		{Key: "/a", Value: value, CreatedIndex: 1, ModifiedIndex: 1, grant: &grant{ttl: 1<<63 - 1}},
	}})
	if r, err := again.Get("/a", GetOptions{}); err != nil || r.Value != value {
		t.Errorf("%v", err)
	}
}
