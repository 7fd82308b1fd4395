package registry

import (
	"cmp"
	"hash/fnv"
)

// kind says what a record does to its key.
type kind uint8

const (
	kindFile      kind = iota + 1 // an entry with a value
	kindDir                       // a directory
	kindDelete                    // the removal of an entry
	kindExpire                    // the end of an entry's lease
	kindCut                       // the removal of a key with all that is below it
	kindCutExpire                 // the end of a directory's lease, with all that is below it
	nKinds
)

// lives tells whether the record is an entry that can be seen.
func (k kind) lives() bool { return k == kindFile || k == kindDir }

// isCut tells whether the record ends everything at and below its key.
func (k kind) isCut() bool { return k == kindCut || k == kindCutExpire }

// isFile tells whether the record says that its key was a file: then nothing older can
// live below it.
func (k kind) isFile() bool { return k == kindFile || k == kindDelete || k == kindExpire }

// ends tells whether the record ranks just above the version that it ends, instead of
// having a version of its own.
func (k kind) ends() bool { return k == kindExpire || k == kindCutExpire }

// asCut returns what remains of a record of a file when the key has become a directory:
// nothing older may live below.
func (k kind) asCut() kind {
	if k == kindExpire {
		return kindCutExpire
	}
	return kindCut
}

// version decides which of two records of a key stands: the higher one, on every node.
type version struct {
	time uint64 // of the hybrid logical clock, in microseconds
	node uint64 // the author that wrote it: decides between equal times
	ends bool   // an expiry, which is just above the version that it ends
}

func (v version) compare(w version) int {
	if c := cmp.Compare(v.time, w.time); c != 0 {
		return c
	}
	if c := cmp.Compare(v.node, w.node); c != 0 {
		return c
	}
	switch {
	case v.ends == w.ends:
		return 0
	case v.ends:
		return 1
	default:
		return -1
	}
}

func (v version) isBelow(w version) bool { return v.compare(w) < 0 }

// record is what replicates: an entry, or what remains of one that was removed. The
// value of an entry is in its node. Guarded by the store's mutex.
type record struct {
	key    Key
	time   uint64  // with node the version
	node   uint64  // the author that wrote it
	author *author // the author that put it into circulation, and owner of the lease
	seq    uint64  // its number there
	until  instant // when a removal is forgotten
	kind   kind
	action Action // what watches are told
	flags  flags
	moves  uint8 // how often it was put into another author's circulation
}

type flags uint8

const (
	// quiet marks what was no event where it was written.
	quiet flags = 1 << iota
	// leased marks an entry that goes away by itself.
	leased
	// derived marks the expiry of an entry whose owner is gone: every node finds it by
	// itself, it does not travel, and it is taken back when the owner returns.
	derived
	// retired marks a record that no longer counts, for those who still hold it.
	retired
)

func (r *record) is(f flags) bool  { return r.flags&f != 0 }
func (r *record) version() version { return version{r.time, r.node, r.kind.ends()} }

// beats tells whether r stands against the record held for the same key. Between two of
// the same version it is decided in whose circulation it is, so that nodes agree on that,
// too.
func (r *record) beats(held *record) bool {
	if c := r.version().compare(held.version()); c != 0 {
		return c > 0
	}
	if c := cmp.Compare(r.moves, held.moves); c != 0 {
		return c > 0
	}
	if c := cmp.Compare(r.author.id, held.author.id); c != 0 {
		return c > 0
	}
	return r.seq > held.seq
}

// hash is the record's part in the sum by which two nodes compare what they hold.
func (r *record) hash() uint64 {
	h := fnv.New64a()
	h.Write([]byte(r.key))
	var b [17]byte
	put64(b[0:], r.time)
	put64(b[8:], r.node)
	b[16] = byte(r.kind)
	h.Write(b[:])
	return h.Sum64()
}

func put64(b []byte, v uint64) {
	for i := range 8 {
		b[i] = byte(v >> (8 * i))
	}
}
