package backup

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"rollcall/registry"
)

// Version is the version of the format that this program writes, and the highest that it reads.
const Version = 1

// magic is what a backup begins with, before its version and a line feed.
const magic = "rollcall backup, format "

// The kinds of blocks, in the order in which they come.
const (
	headerBlock  = 'h' // once
	entriesBlock = 'e' // as often as it takes
	finalBlock   = 'f' // once
)

const (
	// blockBytes is how long a block grows before the next begins.
	blockBytes = 64 << 10
	// maxBlock is how long one may be: the largest entry that a store can hold fits.
	maxBlock = 16 << 20

	// What is set in the first byte of an entry.
	entryDir    = 1 << 0
	entryLeased = 1 << 1 // the lease and what was left of it follow the indexes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is what a backup tells of where it comes from.
type Header struct {
	Node    string // the node's name
	Cluster string // the name of its cluster
	Index   uint64 // the node's index at the moment that the backup shows
	Stamp   uint64 // of [registry.Snapshot]
	Time    time.Time
}

// Summary is what a whole backup turned out to hold.
type Summary struct {
	Header
	Entries uint64 // all of them, of which
	Dirs    uint64 // are directories, and
	Leased  uint64 // go away by themselves
	Bytes   int64  // of the stream
	SHA256  [32]byte
}

// count adds an entry.
func (s *Summary) count(e registry.Entry) {
	s.Entries++
	if e.Dir {
		s.Dirs++
	}
	if e.Leased {
		s.Leased++
	}
}

func appendText[T ~string](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func (h Header) append(b []byte) []byte {
	b = appendText(appendText(b, h.Node), h.Cluster)
	for _, n := range []uint64{h.Index, h.Stamp, uint64(h.Time.UnixNano())} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func (f *fields) header() Header {
	return Header{Node: f.text(), Cluster: f.text(), Index: f.fixed(), Stamp: f.fixed(), Time: time.Unix(0, int64(f.fixed())).UTC()} //nolint:gosec // as it was written
}

func appendEntry(b []byte, e registry.Entry) []byte {
	var flags byte
	if e.Dir {
		flags |= entryDir
	}
	if e.Leased {
		flags |= entryLeased
	}
	b = binary.AppendUvarint(binary.AppendUvarint(append(b, flags), e.CreatedIndex), e.ModifiedIndex)
	if e.Leased {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(e.TTL)), uint64(e.Left))
	}
	return appendText(appendText(b, e.Key), e.Value)
}

func (f *fields) entry() registry.Entry {
	flags := f.byte()
	f.bad = f.bad || flags > entryDir|entryLeased
	e := registry.Entry{Dir: flags&entryDir != 0, CreatedIndex: f.uvarint(), ModifiedIndex: f.uvarint()}
	if e.Leased = flags&entryLeased != 0; e.Leased {
		e.TTL, e.Left = f.duration(), f.duration()
	}
	e.Key, e.Value = registry.Key(f.text()), f.text()
	return e
}

// final returns the last block's fields.
func (s *Summary) final(b []byte) []byte {
	for _, n := range []uint64{s.Entries, s.Dirs, s.Leased} {
		b = binary.AppendUvarint(b, n)
	}
	return append(b, s.SHA256[:]...)
}

// fields takes fields from a block; after the first that is not there all are zero.
type fields struct {
	b   []byte
	bad bool
}

var errMalformed = errors.New("a block holds what no program writes")

// done tells whether there was nothing but the fields that were taken.
func (f *fields) done() error {
	if f.bad || len(f.b) > 0 {
		return errMalformed
	}
	return nil
}

func (f *fields) take(n uint64) []byte {
	if f.bad || n > uint64(len(f.b)) {
		f.b, f.bad = nil, true
		return nil
	}
	v := f.b[:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) byte() byte {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) fixed() uint64 {
	if b := f.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// uvarint takes a number in as many bytes as it needs, and no more.
func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 || n > 1 && f.b[n-1] == 0 {
		f.b, f.bad = nil, true
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) duration() time.Duration {
	v := f.uvarint()
	f.bad = f.bad || v > math.MaxInt64
	return time.Duration(v & math.MaxInt64) //nolint:gosec // fits
}

func (f *fields) text() string { return string(f.take(f.uvarint())) }
