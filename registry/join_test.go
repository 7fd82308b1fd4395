package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The laws of the join: a store is what it has seen, whatever the order, the repetition
// and the grouping in which it came. The records are drawn freely, so they hold what no
// sequence of operations would lead to, too.

// joinTime is the time of the first drawn version, in the past of the test's clock.
const joinTime = 1_000_000

// drawn is a record before it belongs to a store.
type drawn struct {
	Key    Key
	Kind   kind
	Time   uint64 // the version
	Node   uint64
	Author uint64
	Seq    uint64
	Value  string
	Leased bool
}

func (d drawn) String() string {
	return fmt.Sprintf("%d/%d %s kind %d version %d.%d %q", d.Author, d.Seq, d.Key, d.Kind, d.Time-joinTime, d.Node, d.Value)
}

// drawRecords draws records of three authors. Versions of entries are unique; an expiry
// has the version of an entry of its key or of one below.
func drawRecords(t *rapid.T, n int) []drawn {
	var all []drawn
	seqs := map[uint64]uint64{}
	times := map[uint64]bool{}
	for i := range n {
		d := drawn{
			Key:    Key(rapid.SampledFrom([]string{"/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"}).Draw(t, "key")),
			Kind:   rapid.SampledFrom([]kind{kindFile, kindFile, kindFile, kindDir, kindDelete, kindExpire, kindCut, kindCutExpire}).Draw(t, "kind"),
			Author: rapid.SampledFrom([]uint64{11, 12, 13}).Draw(t, "author"),
		}
		seqs[d.Author]++
		d.Seq, d.Node = seqs[d.Author], d.Author
		d.Time = joinTime + uint64(rapid.IntRange(1, 4*n).Draw(t, "time"))
		for times[d.Time<<8|d.Node] {
			d.Time++
		}
		if d.Kind.ends() {
			d = endOf(t, all, d)
		}
		times[d.Time<<8|d.Node] = true
		if d.Kind == kindFile {
			d.Value = fmt.Sprint("v", i)
		}
		d.Leased = d.Kind.lives() && rapid.Bool().Draw(t, "leased")
		all = append(all, d)
	}
	return all
}

// endOf turns a record into the expiry of a former one, if there is any that it may end.
func endOf(t *rapid.T, all []drawn, d drawn) drawn {
	var may []drawn
	for _, o := range all {
		if d.Kind == kindExpire && o.Kind == kindFile && o.Key == d.Key ||
			d.Kind == kindCutExpire && o.Kind.lives() && (o.Key == d.Key || o.Key.IsBelow(d.Key)) {
			may = append(may, o)
		}
	}
	if len(may) == 0 {
		d.Kind = kindDelete
		return d
	}
	ended := rapid.SampledFrom(may).Draw(t, "ended")
	d.Time, d.Node = ended.Time, ended.Node
	return d
}

// newJoinStore returns a store that knows the three authors to be alive, so that no lease
// runs out by itself.
func newJoinStore(id uint64) *Store {
	s := New(Options{Author: id})
	s.Alive([]uint64{id, 11, 12, 13})
	return s
}

// merge applies records one by one, each as it comes from the network.
func mergeDrawn(t fataler, s *Store, records ...drawn) {
	for _, d := range records {
		by := s.author(d.Author)
		in := incoming{record: &record{key: d.Key, kind: d.Kind, time: d.Time, node: d.Node, author: by, seq: d.Seq, action: actionOf(d.Kind)}, value: d.Value}
		if d.Leased {
			in.flags, in.ttl = leased, time.Minute
		}
		if !d.Kind.lives() {
			in.residual = time.Hour
		}
		wire := appendRecord(nil, in)
		r := reader{b: wire}
		back, err := parseRecord(r.bytes(r.uvarint()), by)
		if err != nil {
			t.Fatalf("%v does not survive the wire: %v", d, err)
		}
		s.applyRecords(nil, by, []incoming{back})
	}
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func actionOf(k kind) Action {
	switch k {
	case kindFile, kindDir:
		return Set
	case kindExpire, kindCutExpire:
		return Expire
	default:
		return Delete
	}
}

// held is what a store holds, as text: the entries with their versions. Removals are not
// compared: which of them are still needed depends on what came when.
func held(s *Store) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mergeDelayedLocked(time.Now().Add(contestDelay)) // what waits for an objection that does not come
	var lines []string
	walk(s.tree.root, func(n *Node) {
		line := fmt.Sprintf("%s dir=%v %q ttl=%v", n.Key, n.IsDir(), n.Value, n.TTL())
		if n.rec != nil {
			line += fmt.Sprintf(" %d.%d", n.rec.time-joinTime, n.rec.node)
		}
		lines = append(lines, line)
	})
	return strings.Join(lines, "\n")
}

func checkHeld(t *rapid.T, what string, records []drawn, want, got *Store) {
	if w, g := held(want), held(got); w != g {
		t.Fatalf("%s\nrecords:\n%v\none holds:\n%s\nthe other:\n%s", what, records, w, g)
	}
	checkReplica(t, want)
	checkReplica(t, got)
}

// checkReplica tests that the parts of a store agree with each other.
func checkReplica(t fataler, s *Store) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	checkCountsLocked(t, s)
	listed := map[*record]bool{}
	for _, a := range s.authors {
		var sums [2]uint64
		a.log.Scan(func(seq uint64, r *record) bool {
			listed[r] = true
			if r.seq != seq || r.author != a || r.is(retired) {
				t.Fatalf("the log of %d has %+v under %d", a.id, r, seq)
			}
			if r.kind.lives() {
				sums[min(int(r.flags&leased), 1)] += r.hash()
			}
			return true
		})
		if sums != a.sums {
			t.Fatalf("the sums of author %d are %v, should be %v", a.id, a.sums, sums)
		}
	}
	walk(s.tree.root, func(n *Node) {
		switch {
		case n.rec == nil && (!n.IsDir() || n.Key != Root && n.dir.entries.Len() == 0):
			t.Fatalf("%s is there without a reason", n.Key)
		case n.rec != nil && (!listed[n.rec] || n.rec.key != n.Key || n.rec.kind == kindDir != n.IsDir() || !n.rec.kind.lives()):
			t.Fatalf("%s has the record %+v", n.Key, n.rec)
		}
		delete(listed, n.rec)
	})
	s.graves.byKey.Scan(func(key Key, g grave) bool {
		for _, r := range []*record{g.entry, g.cut} {
			if r != nil && (!listed[r] || r.key != key || r.kind.lives()) {
				t.Fatalf("the grave of %s has %+v", key, r)
			}
			delete(listed, r)
		}
		return true
	})
	if len(listed) > 0 {
		t.Fatalf("%d records are in a log and nowhere else", len(listed))
	}
}

func TestJoinIsCommutativeAndIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t, rapid.IntRange(1, 12).Draw(t, "n"))
		one, other := newJoinStore(1), newJoinStore(2)
		mergeDrawn(t, one, rapid.Permutation(records).Draw(t, "order")...)
		again := rapid.SliceOfN(rapid.SampledFrom(records), 0, 6).Draw(t, "again")
		mergeDrawn(t, other, rapid.Permutation(slices.Concat(records, again)).Draw(t, "other order")...)
		checkHeld(t, "the order matters", records, one, other)
		mergeDrawn(t, other, records...)
		checkHeld(t, "repetition matters", records, one, other)
	})
}

// What one has gathered and passes on is worth the same as each record by itself, also
// where some of them no longer counted for the one that passed them on.
func TestJoinIsAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t, rapid.IntRange(2, 12).Draw(t, "n"))
		cut := rapid.IntRange(0, len(records)).Draw(t, "cut")
		shuffled := rapid.Permutation(records).Draw(t, "order")
		all, left, right := newJoinStore(1), newJoinStore(2), newJoinStore(3)
		mergeDrawn(t, all, shuffled...)
		mergeDrawn(t, left, shuffled[:cut]...)
		mergeDrawn(t, right, shuffled[cut:]...)
		sendAll(t, left, right)
		checkHeld(t, "the grouping matters", records, all, right)
		sendAll(t, right, left)
		checkHeld(t, "the way back matters", records, all, left)
	})
}

// sendAll sends everything that one store holds to another, as if that had nothing.
func sendAll(t fataler, from, to *Store) {
	from.mu.Lock()
	for _, a := range from.authors {
		if last, _, ok := a.log.Max(); ok {
			a.have = last
		}
		for _, d := range from.delayed {
			if d.author == a {
				a.have = max(a.have, d.seq)
			}
		}
	}
	from.mu.Unlock()
	for have := (&digest{}).append(nil); ; {
		delta, then, err := from.Delta(have, 100)
		if err != nil {
			t.Fatalf("delta: %v", err)
		}
		if delta == nil {
			return
		}
		if _, _, err := to.Apply(from.Author(), delta); err != nil {
			t.Fatalf("apply: %v", err)
		}
		have = then
	}
}
