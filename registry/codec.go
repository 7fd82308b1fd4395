package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// The wire format. docs/replication.md has it as tables. Numbers are unsigned varints or,
// where their values are spread out, eight bytes little endian.

const (
	wireVersion = 1

	// maxRecord is how large one record may be, with its key and value.
	maxRecord = 9 << 20
	// maxSeq is the highest number that an author can come to.
	maxSeq = 1 << 62
	// maxKey is how long a key may be: the length of a request line that net/http takes is
	// bounded by a megabyte, too.
	maxKey = 1 << 20

	// What is set in the second byte of a digest or a delta.
	digestEmpty   = 1 << 0 // the node holds nothing yet
	digestUnclean = 1 << 2 // its copy was to be replaced, and that has not come to an end
	digestReset   = 1 << 1 // its copy is being replaced: a token and the number of the next part follow
	deltaReset    = 1 << 0 // part of what replaces a copy: a token and the part's number follow
	deltaLast     = 1 << 1 // the last part: the marks up to which it replaces follow the spans

	spanWithheld = 1 << 0 // without the entries that have expired at the sender because their owner is gone

	markUncertain = 1 << 0 // the sums are left out
	markAlive     = 1 << 1 // the node sees the author alive
	markResend    = 1 << 2 // all is to be sent again, from the number on that follows

	recordQuiet    = 1 << 0
	recordLeased   = 1 << 1 // a TTL follows
	recordResidual = 1 << 2 // the rest of the lease, or of a removal's memory, follows
	recordForeign  = 1 << 3 // written by another author than the one that circulates it
	recordMoved    = 1 << 4 // put into circulation anew: how often follows
)

var errMalformed = errors.New("malformed")

// reader takes fields from bytes; after the first that is not there all are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) fixed() uint64 {
	if len(r.b) < 8 {
		r.b, r.bad = nil, true
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) duration() time.Duration {
	v := r.uvarint()
	if v > math.MaxInt64 {
		r.bad = true
	}
	return time.Duration(v & math.MaxInt64)
}

func appendFixed(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// digest is what a node has, as its peers compare it with what they have.
type digest struct {
	flags byte
	token uint64 // of the reset under way
	part  uint64
	marks map[uint64]mark // by author
}

// mark is how far a node has seen an author.
type mark struct {
	have  uint64
	again uint64 // with markResend
	flags byte
	sums  [2]uint64
}

func (d *digest) append(b []byte) []byte {
	b = append(b, wireVersion, d.flags)
	if d.flags&digestReset != 0 {
		b = binary.AppendUvarint(appendFixed(b, d.token), d.part)
	}
	b = binary.AppendUvarint(b, uint64(len(d.marks)))
	ids := make([]uint64, 0, len(d.marks))
	for id := range d.marks {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		m := d.marks[id]
		b = append(binary.AppendUvarint(appendFixed(b, id), m.have), m.flags)
		if m.flags&markResend != 0 {
			b = binary.AppendUvarint(b, m.again)
		}
		if m.flags&markUncertain == 0 {
			b = appendFixed(appendFixed(b, m.sums[0]), m.sums[1])
		}
	}
	return b
}

// markBytes is the least that a mark takes.
const markBytes = 10

func parseDigest(b []byte) (*digest, error) {
	r := reader{b: b}
	if v := r.byte(); v != wireVersion {
		return nil, fmt.Errorf("digest of version %d: %w", v, errMalformed)
	}
	d := &digest{flags: r.byte()}
	if d.flags&digestReset != 0 {
		d.token, d.part = r.fixed(), r.uvarint()
	}
	n := r.uvarint()
	if n > uint64(len(r.b)/markBytes) {
		return nil, fmt.Errorf("digest: %w", errMalformed)
	}
	d.marks = make(map[uint64]mark, n)
	for range n {
		id := r.fixed()
		m := mark{have: r.uvarint(), flags: r.byte()}
		if m.flags&markResend != 0 {
			m.again = r.uvarint()
		}
		if m.flags&markUncertain == 0 {
			m.sums = [2]uint64{r.fixed(), r.fixed()}
		}
		d.marks[id] = m
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("digest: %w", errMalformed)
	}
	return d, nil
}

// deltaHead begins a delta.
type deltaHead struct {
	flags byte
	token uint64
	part  uint64
	spans uint64
}

func (h deltaHead) encode() []byte {
	b := []byte{wireVersion, h.flags}
	if h.flags&deltaReset != 0 {
		b = binary.AppendUvarint(appendFixed(b, h.token), h.part)
	}
	return binary.AppendUvarint(b, h.spans)
}

func (r *reader) deltaHead() (deltaHead, error) {
	if v := r.byte(); v != wireVersion {
		return deltaHead{}, fmt.Errorf("delta of version %d: %w", v, errMalformed)
	}
	h := deltaHead{flags: r.byte()}
	if h.flags&deltaReset != 0 {
		h.token, h.part = r.fixed(), r.uvarint()
	}
	h.spans = r.uvarint()
	if r.bad {
		return h, fmt.Errorf("delta: %w", errMalformed)
	}
	return h, nil
}

// spanHead begins the records of one author: everything in the span that still counts.
type spanHead struct {
	author uint64
	span
	flags     byte
	forgotten uint64 // the highest number of a removal that the sender no longer holds
	records   uint64
}

func (h spanHead) append(b []byte) []byte {
	b = binary.AppendUvarint(appendFixed(b, h.author), h.from)
	b = append(binary.AppendUvarint(b, h.to), h.flags)
	return binary.AppendUvarint(binary.AppendUvarint(b, h.forgotten), h.records)
}

func (r *reader) spanHead() (spanHead, error) {
	h := spanHead{author: r.fixed()}
	h.from, h.to, h.flags = r.uvarint(), r.uvarint(), r.byte()
	h.forgotten, h.records = r.uvarint(), r.uvarint()
	if r.bad || h.to < h.from || h.to > maxSeq || h.forgotten > maxSeq || h.author == 0 {
		return h, fmt.Errorf("delta: span: %w", errMalformed)
	}
	return h, nil
}

// appendRecord encodes a record behind its length.
func appendRecord(b []byte, in incoming) []byte {
	var f byte
	for _, set := range []struct {
		bit byte
		on  bool
	}{
		{recordQuiet, in.is(quiet)},
		{recordLeased, in.is(leased) && in.kind.lives()},
		{recordResidual, in.residual > 0},
		{recordForeign, in.node != in.author.id},
		{recordMoved, in.moves > 0},
	} {
		if set.on {
			f |= set.bit
		}
	}
	var head [64]byte
	h := append(head[:0], byte(in.kind), byte(in.action), f)
	h = appendFixed(binary.AppendUvarint(h, in.seq), in.time)
	if f&recordForeign != 0 {
		h = appendFixed(h, in.node)
	}
	if f&recordLeased != 0 {
		h = binary.AppendUvarint(h, uint64(in.ttl))
	}
	if f&recordResidual != 0 {
		h = binary.AppendUvarint(h, uint64(in.residual))
	}
	if f&recordMoved != 0 {
		h = append(h, in.moves)
	}
	h = binary.AppendUvarint(h, uint64(len(in.key)))
	b = binary.AppendUvarint(b, uint64(len(h)+len(in.key)+len(in.value)))
	return append(append(append(b, h...), in.key...), in.value...)
}

// parseRecord decodes a record of an author. It refuses what no node would send.
func parseRecord(b []byte, by *author) (incoming, error) {
	if len(b) > maxRecord {
		return incoming{}, fmt.Errorf("record of %d bytes: too large", len(b))
	}
	r := reader{b: b}
	in := incoming{record: &record{author: by, node: by.id}}
	in.kind, in.action = kind(r.byte()), Action(r.byte())
	f := r.byte()
	in.seq, in.time = r.uvarint(), r.fixed()
	if f&recordForeign != 0 {
		in.node = r.fixed()
	}
	if f&recordQuiet != 0 {
		in.flags |= quiet
	}
	if f&recordLeased != 0 {
		in.flags |= leased
		in.ttl = r.duration()
	}
	if f&recordResidual != 0 {
		in.residual = r.duration()
	}
	if f&recordMoved != 0 {
		in.moves = r.byte()
	}
	in.key = Key(r.bytes(r.uvarint()))
	in.value = string(r.b)
	switch {
	case r.bad, f >= recordMoved<<1, in.kind == 0, in.kind >= nKinds, in.action == Get, in.action >= nActions, in.seq == 0:
		return in, fmt.Errorf("record: %w", errMalformed)
	case in.kind != kindFile && in.value != "", !in.kind.lives() && in.is(leased):
		return in, fmt.Errorf("record of %.100q has fields that its kind has not: %w", in.key, errMalformed)
	}
	if err := checkWireKey(in.key); err != nil {
		return in, err
	}
	return in, nil
}

func checkWireKey(key Key) error {
	if len(key) > maxKey {
		return fmt.Errorf("key of %d bytes: too long", len(key))
	}
	clean, err := ParseKey(string(key))
	if err != nil || clean != key || key == Root {
		return fmt.Errorf("key %.100q: %w", key, errMalformed)
	}
	return nil
}

// appendVerdict encodes a heartbeat, which has no verdict yet, or the answer to one.
func appendVerdict(b []byte, v verdictOn) []byte {
	b = append(b, byte(v.verdict))
	b = appendFixed(appendFixed(b, v.time), v.node)
	if v.verdict == 0 {
		b = binary.AppendUvarint(b, uint64(v.left))
	}
	b = binary.AppendUvarint(b, uint64(len(v.key)))
	return append(b, v.key...)
}

// parseMail decodes messages up to the first that is malformed.
func parseMail(b []byte) ([]verdictOn, error) {
	r := reader{b: b}
	if v := r.byte(); v != wireVersion {
		return nil, fmt.Errorf("mail of version %d: %w", v, errMalformed)
	}
	var messages []verdictOn
	for len(r.b) > 0 {
		v := verdictOn{verdict: verdict(r.byte()), time: r.fixed(), node: r.fixed()}
		if v.verdict == 0 {
			v.left = r.duration()
		}
		v.key = Key(r.bytes(r.uvarint()))
		if r.bad || v.verdict > objectNow {
			return messages, fmt.Errorf("mail: %w", errMalformed)
		}
		if err := checkWireKey(v.key); err != nil {
			return messages, fmt.Errorf("mail: %w", err)
		}
		messages = append(messages, v)
	}
	return messages, nil
}
