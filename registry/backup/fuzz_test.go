package backup

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"rollcall/registry"
)

// stream returns a backup with the given fields in its blocks, all sound.
func stream(header, entries, final []byte) []byte {
	var out bytes.Buffer
	w := &writer{w: &out, sum: sha256.New()}
	w.start(magic + "1\n")
	w.begin(headerBlock)
	w.block = append(w.block, header...)
	w.end()
	w.begin(entriesBlock)
	w.block = append(w.block, entries...)
	w.end()
	if final == nil {
		w.sum.Sum(w.summary.SHA256[:0])
		f := &fields{b: entries}
		for len(f.b) > 0 {
			w.summary.count(f.entry())
		}
		final = w.summary.final(nil)
	}
	w.begin(finalBlock)
	w.block = append(w.block, final...)
	w.end()
	return out.Bytes()
}

// FuzzEntries has a block of entries with a sound checksum around it: what is taken can be
// restored, and prints back to the same bytes.
func FuzzEntries(f *testing.F) {
	header := Header{Node: "n", Cluster: "c", Index: 1 << 52, Time: time.Unix(0, 0)}.append(nil)
	for _, all := range [][]registry.Entry{
		nil,
		{{Key: "/a", Value: "1", CreatedIndex: 1, ModifiedIndex: 300}},
		{{Key: "/a", Dir: true}, {Key: "/a/b", Value: "2", Leased: true, TTL: time.Minute, Left: time.Second}, {Key: "/a-b"}},
	} {
		var b []byte
		for _, e := range all {
			b = appendEntry(b, e)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		r := registry.NewRestoration(1)
		var again []byte
		sum, err := Read(bytes.NewReader(stream(header, block, nil)), func(e registry.Entry) error {
			again = appendEntry(again, e)
			if _, err := r.Entry(e); err != nil {
				t.Errorf("%+v is taken and cannot be restored: %v", e, err)
			}
			return nil
		})
		if err == nil && (!bytes.Equal(again, block) || sum.Index != 1<<52) {
			t.Errorf("%q prints back as %q", block, again)
		}
	})
}

// FuzzRead has any bytes for a backup; only what was written as one is taken.
func FuzzRead(f *testing.F) {
	header := Header{Node: "n", Cluster: "c", Index: 1, Time: time.Unix(0, 0)}.append(nil)
	f.Add(stream(header, nil, nil))
	f.Add(stream(header, appendEntry(nil, registry.Entry{Key: "/a", Value: "1"}), nil))
	f.Add(stream(header, nil, []byte("x")))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if sum, err := Verify(bytes.NewReader(b)); err == nil && sum.Bytes != int64(len(b)) {
			t.Errorf("%d bytes of %d are taken", sum.Bytes, len(b))
		}
	})
}

// Fields that no program writes are refused, also with sound checksums.
func TestMalformed(t *testing.T) {
	header := Header{Node: "n", Cluster: "c", Index: 9, Time: time.Unix(0, 0)}.append(nil)
	entry := func(all ...registry.Entry) (b []byte) {
		for _, e := range all {
			b = appendEntry(b, e)
		}
		return b
	}
	good := entry(registry.Entry{Key: "/a", Dir: true}, registry.Entry{Key: "/a/b", Value: "1"})
	if _, err := Verify(bytes.NewReader(stream(header, good, nil))); err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{
		"a longer header":        stream(append(bytes.Clone(header), 0), good, nil),
		"a shorter header":       stream(header[:len(header)-1], good, nil),
		"a longer end":           stream(header, good, append((&Summary{Entries: 2, Dirs: 1}).final(nil), 0)),
		"no end":                 stream(header, good, []byte{}),
		"an unknown flag":        stream(header, []byte{4, 0, 0, 2, '/', 'a', 0}, nil),
		"half an entry":          stream(header, good[:len(good)-1], nil),
		"a long number":          stream(header, []byte{0, 0x80, 0, 0, 2, '/', 'a', 0}, nil),
		"the root":               stream(header, entry(registry.Entry{Key: "/", Dir: true}), nil),
		"an unclean key":         stream(header, entry(registry.Entry{Key: "/a/"}), nil),
		"a key with a NUL":       stream(header, entry(registry.Entry{Key: "/\x00"}), nil),
		"a key twice":            stream(header, entry(registry.Entry{Key: "/a"}, registry.Entry{Key: "/a"}), nil),
		"keys out of order":      stream(header, entry(registry.Entry{Key: "/b"}, registry.Entry{Key: "/a"}), nil),
		"a missing directory":    stream(header, entry(registry.Entry{Key: "/a/b"}), nil),
		"a file for a directory": stream(header, entry(registry.Entry{Key: "/a"}, registry.Entry{Key: "/a/b"}), nil),
		"a grandparent":          stream(header, entry(registry.Entry{Key: "/a", Dir: true}, registry.Entry{Key: "/a/b/c"}), nil),
		"a directory's value":    stream(header, entry(registry.Entry{Key: "/a", Dir: true, Value: "1"}), nil),
		"an index of later":      stream(header, entry(registry.Entry{Key: "/a", ModifiedIndex: 10}), nil),
		"a creation later":       stream(header, entry(registry.Entry{Key: "/a", CreatedIndex: 10}), nil),
		"a lease of no duration": stream(header, []byte{2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 2, '/', 'a', 0}, nil),
		"an entry too large":     stream(header, entry(registry.Entry{Key: "/a", Value: string(make([]byte, 9<<20))}), nil),
		"a block too large":      stream(header, entry(registry.Entry{Key: "/a", Value: string(make([]byte, maxBlock))}), nil),
	} {
		if _, err := Verify(bytes.NewReader(b)); err == nil {
			t.Errorf("%s: it is taken", what)
		}
	}
}
