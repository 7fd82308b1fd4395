package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"rollcall/registry"
	"rollcall/registry/backup"
)

var origin = backup.Origin{Node: "dot", Cluster: "rollcall"}

// written returns the backup of a snapshot.
func written(tb testing.TB, snap *registry.Snapshot) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := backup.Write(&b, snap, origin); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// entries returns what a backup holds, and fails the test if it is refused.
func entries(tb testing.TB, b []byte) ([]registry.Entry, backup.Summary) {
	tb.Helper()
	var all []registry.Entry
	sum, err := backup.Read(iotest.OneByteReader(bytes.NewReader(b)), func(e registry.Entry) error {
		all = append(all, e)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all, sum
}

// put writes a key of a store.
func put(tb testing.TB, s *registry.Store, key registry.Key, o registry.PutOptions) {
	tb.Helper()
	if _, err := s.Put(key, o); err != nil {
		tb.Fatal(err)
	}
}

// small returns the backup of a small store.
func small(tb testing.TB) (*registry.Snapshot, []byte) {
	tb.Helper()
	s := registry.New(registry.Options{})
	put(tb, s, "/creds/mq", registry.PutOptions{Value: "secret"})
	put(tb, s, "/frontends/fe1", registry.PutOptions{Value: "10.0.1.1", TTL: time.Minute})
	put(tb, s, "/leer", registry.PutOptions{Dir: true})
	snap := s.Snapshot()
	return snap, written(tb, snap)
}

func TestSummary(t *testing.T) {
	snap, b := small(t)
	all, sum := entries(t, b)
	if want := slices.Collect(snap.Entries()); !slices.Equal(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
	want := backup.Summary{
		Header:  backup.Header{Node: "dot", Cluster: "rollcall", Index: snap.Index, Stamp: snap.Stamp, Time: snap.Time.Round(0).UTC()},
		Entries: 5, Dirs: 3, Leased: 1, Bytes: int64(len(b)), SHA256: sum.SHA256,
	}
	if sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
}

func TestEmptyStore(t *testing.T) {
	all, sum := entries(t, written(t, registry.New(registry.Options{}).Snapshot()))
	if len(all) != 0 || sum.Entries != 0 || sum.Index == 0 {
		t.Errorf("%v, %+v", all, sum)
	}
}

// Each byte counts: with one that is changed the backup is refused.
func TestEachFlipIsRefused(t *testing.T) {
	_, b := small(t)
	for at := range b {
		for _, x := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0x55, 0xff} {
			bad := bytes.Clone(b)
			bad[at] ^= x
			if _, err := backup.Verify(bytes.NewReader(bad)); !isRefusal(err) {
				t.Errorf("byte %d of %d, %#x: %v", at, len(b), x, err)
			}
		}
	}
}

func isRefusal(err error) bool {
	for _, known := range []error{backup.ErrDamaged, backup.ErrTruncated, backup.ErrNewer, backup.ErrNone} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func TestEachTruncationIsRefused(t *testing.T) {
	_, b := small(t)
	for n := range b {
		if _, err := backup.Verify(bytes.NewReader(b[:n])); !errors.Is(err, backup.ErrTruncated) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := backup.Verify(bytes.NewReader(append(b, 0))); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("one byte more: %v", err)
	}
	if _, err := backup.Verify(bytes.NewReader(append(b, b...))); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("two backups: %v", err)
	}
}

// A block that is missing, comes twice, or is of another backup is found, although each is sound.
func TestBlocksOfAnother(t *testing.T) {
	s := registry.New(registry.Options{})
	for i := range 5 {
		put(t, s, registry.Key(fmt.Sprintf("/%d", i)), registry.PutOptions{Value: strings.Repeat("x", 100<<10)})
	}
	blocks := blocksOf(written(t, s.Snapshot()))
	if len(blocks) != 8 {
		t.Fatalf("%d blocks", len(blocks))
	}
	put(t, s, "/2", registry.PutOptions{Value: strings.Repeat("y", 100<<10)})
	others := blocksOf(written(t, s.Snapshot()))
	for what, mixed := range map[string][][]byte{
		"one is missing":        slices.Delete(slices.Clone(blocks), 4, 5),
		"one comes twice":       slices.Insert(slices.Clone(blocks), 4, blocks[4]),
		"another's":             slices.Replace(slices.Clone(blocks), 4, 5, others[4]),
		"another's end":         slices.Replace(slices.Clone(blocks), 7, 8, others[7]),
		"another's header":      slices.Replace(slices.Clone(blocks), 1, 2, others[1]),
		"two headers":           slices.Insert(slices.Clone(blocks), 1, blocks[1]),
		"no header":             slices.Delete(slices.Clone(blocks), 1, 2),
		"two change places":     {blocks[0], blocks[1], blocks[3], blocks[2], blocks[4], blocks[5], blocks[6], blocks[7]},
		"the end comes earlier": {blocks[0], blocks[1], blocks[2], blocks[7]},
	} {
		if _, err := backup.Verify(bytes.NewReader(slices.Concat(mixed...))); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := backup.Verify(bytes.NewReader(slices.Concat(blocks...))); err != nil {
		t.Errorf("the test itself is wrong: %v", err)
	}
}

// blocksOf parts a backup: the first line, then the blocks.
func blocksOf(b []byte) [][]byte {
	end := bytes.IndexByte(b, '\n') + 1
	blocks := [][]byte{b[:end]}
	for b = b[end:]; len(b) > 0; b = b[end:] {
		end = int(b[0]) + int(b[1])<<8 + int(b[2])<<16 + int(b[3])<<24 + 8
		blocks = append(blocks, b[:end])
	}
	return blocks
}

func TestFirstLine(t *testing.T) {
	_, b := small(t)
	rest := b[bytes.IndexByte(b, '\n')+1:]
	for line, want := range map[string]error{
		"rollcall backup, format 1\n":          nil,
		"rollcall backup, format 2\n":          backup.ErrNewer,
		"rollcall backup, format 4294967295\n": backup.ErrNewer,
		"rollcall backup, format 0\n":          backup.ErrNone,
		"rollcall backup, format 01\n":         backup.ErrNone,
		"rollcall backup, format +1\n":         backup.ErrNone,
		"rollcall backup, format \n":           backup.ErrNone,
		"rollcall journal, format 1\n":         backup.ErrNone,
		"\n":                                   backup.ErrNone,
		"":                                     backup.ErrNone,
		strings.Repeat("x", 1<<20):             backup.ErrNone,
	} {
		_, err := backup.Verify(io.MultiReader(strings.NewReader(line), bytes.NewReader(rest)))
		if !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", line, err, want)
		}
	}
}

// What fails on the way is told as it is.
func TestFailuresOnTheWay(t *testing.T) {
	snap, b := small(t)
	broken := errors.New("cable cut")
	for n := range b {
		r := io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken))
		if _, err := backup.Verify(r); !errors.Is(err, broken) {
			t.Errorf("reading fails after %d bytes: %v", n, err)
		}
		if err := backup.Write(&limited{n: n, err: broken}, snap, origin); !errors.Is(err, broken) {
			t.Errorf("writing fails after %d bytes: %v", n, err)
		}
	}
	if _, err := backup.Read(bytes.NewReader(b), func(registry.Entry) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the visitor fails: %v", err)
	}
}

// limited is a writer that takes n bytes.
type limited struct {
	n   int
	err error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, l.err
	}
	return len(p), nil
}

// aStore draws a store.
func aStore(rt *rapid.T) *registry.Store {
	s := registry.New(registry.Options{Tag: rapid.Uint64Range(1, registry.MaxTag).Draw(rt, "tag")})
	segment := rapid.OneOf(rapid.StringMatching(`[a-c_\-]{1,2}`), rapid.StringMatching(`[^/\x00.]{1,4}`))
	for range rapid.IntRange(0, 20).Draw(rt, "writes") {
		key, err := registry.ParseKey(path.Join("/", strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(rt, "key"), "/")))
		if err != nil {
			rt.Fatal(err)
		}
		o := registry.PutOptions{Dir: rapid.Bool().Draw(rt, "dir"), TTL: rapid.SampledFrom([]time.Duration{0, 0, time.Minute, time.Hour + 1}).Draw(rt, "ttl")}
		if !o.Dir {
			o.Value = rapid.String().Draw(rt, "value")
		}
		_, _ = s.Put(key, o) // refused where a file is in the way
		if rapid.IntRange(0, 5).Draw(rt, "remove") == 0 {
			_, _ = s.Delete(key, registry.DeleteOptions{Recursive: true})
		}
	}
	return s
}

// From a store by way of a backup and a data directory to another store everything stays as it
// was: keys, values, directories, indexes; leases begin anew.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := aStore(rt)
		snap := s.Snapshot()
		b := written(t, snap)
		want, sum := entries(t, b)
		if !slices.Equal(want, slices.Collect(snap.Entries())) {
			rt.Fatalf("the backup holds %v", want)
		}
		again := restored(t, b, sum)
		got := slices.Collect(again.Snapshot().Entries())
		if len(got) != len(want) {
			rt.Fatalf("%d entries, want %d", len(got), len(want))
		}
		first := again.Index()
		for i, e := range want {
			if e.Leased {
				e.CreatedIndex, e.ModifiedIndex, e.Left = first, first, got[i].Left
				if e.Left > e.TTL || e.Left < e.TTL-time.Minute/2 {
					rt.Errorf("%s has %v of %v left", e.Key, e.Left, e.TTL)
				}
			}
			if got[i] != e {
				rt.Errorf("%+v, want %+v", got[i], e)
			}
		}
		if e, err := again.Put("/later", registry.PutOptions{}); err == nil && e.Index() <= sum.Index {
			rt.Errorf("index %d comes after %d", e.Index(), sum.Index)
		}
	})
}

// restored returns a store that goes on from what a backup became in a journal, without keeping
// what is written to it. The journal on disk has its test in package disk.
func restored(tb testing.TB, b []byte, sum backup.Summary) *registry.Store {
	tb.Helper()
	var j changes
	r := registry.NewRestoration(sum.Stamp)
	if _, err := backup.Read(bytes.NewReader(b), func(e registry.Entry) error {
		c, err := r.Entry(e)
		j = append(j, c)
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	j = append(j, r.Rest()...)
	_, tag := registry.IndexAhead(sum.Index, time.Now())
	s := registry.New(registry.Options{Tag: tag, AfterIndex: sum.Index})
	if err := s.Attach(j); err != nil {
		tb.Fatal(err)
	}
	return s
}

// changes is a journal that takes nothing more.
type changes []registry.Change

var errFull = errors.New("nothing more is kept")

func (c changes) Commit([]registry.Change, bool) error { return errFull }
func (c changes) Err() error                           { return errFull }
func (c changes) Failed() <-chan struct{}              { return nil }

func (c changes) Load(visit func(key, value []byte) error) error {
	slices.SortFunc(c, func(a, b registry.Change) int { return bytes.Compare(a.Key, b.Key) })
	for _, one := range c {
		if err := visit(one.Key, one.Value); err != nil {
			return err
		}
	}
	return nil
}

func TestLargeValuesAndStrangeKeys(t *testing.T) {
	s := registry.New(registry.Options{})
	keys := []registry.Key{"/käse/☕", "/日本/語", "/a b/%2F?#", "/\xff\xfe", "/_hidden/x", "/-"}
	for _, key := range keys {
		put(t, s, key, registry.PutOptions{Value: string(key)})
	}
	put(t, s, "/large/1", registry.PutOptions{Value: strings.Repeat("\x00", 2_000_000)})
	put(t, s, "/large/2", registry.PutOptions{Value: strings.Repeat("x", 8<<20), TTL: time.Hour})
	b := written(t, s.Snapshot())
	_, sum := entries(t, b)
	again := restored(t, b, sum)
	for _, key := range append(keys, "/large/1", "/large/2") {
		want, err := s.Get(key, registry.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Get(key, registry.GetOptions{}); err != nil || got.Value != want.Value {
			t.Errorf("%q: %d bytes, %v", key, len(got.Value), err)
		}
	}
}
