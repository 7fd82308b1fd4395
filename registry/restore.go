package registry

import (
	"errors"
	"fmt"
	"time"
)

// Restoration turns the entries of a backup into what a [Journal] holds: records of a run of
// the node that has ended. A store that is attached to that journal goes on from there as after
// a restart, as the first of a new cluster.
//
// The entries count as written when the backup was made. So they lose against all that was
// written or removed later, should there be a node that still has it.
type Restoration struct {
	by    *author
	stamp uint64
}

// NewRestoration begins a restoration with the stamp of the [Snapshot].
func NewRestoration(stamp uint64) *Restoration {
	now := time.Now()
	return &Restoration{&author{id: NewAuthor(now)}, min(stamp, new(clock).wall(now))}
}

// errEntry is what an entry is refused with that no store can hold.
var errEntry = errors.New("no store can hold this entry")

// Entry returns what the journal holds of an entry. The directories that lead to it come
// before it, and no key comes twice.
func (r *Restoration) Entry(e Entry) (Change, error) {
	rec := &record{key: e.Key, time: r.stamp, node: r.by.id, author: r.by, seq: r.by.have + 1, kind: kindFile, action: Create}
	if e.Dir {
		rec.kind = kindDir
	}
	in := incoming{record: rec, value: e.Value}
	if e.Leased {
		rec.flags, in.ttl = leased, e.TTL
		e.CreatedIndex, e.ModifiedIndex = 0, 0 // as in Node.appendSaved
	}
	if _, err := parseRecord(encodeRecord(in), r.by); err != nil {
		return Change{}, fmt.Errorf("%.100q: %w: %w", e.Key, errEntry, err)
	}
	r.by.have++
	*rec.sum() += rec.hash()
	return Change{
		Key:   append([]byte{savedKeyKind}, e.Key...),
		Value: appendSaved(nil, in, e.CreatedIndex, e.ModifiedIndex),
	}, nil
}

// encodeRecord returns a record without its length.
func encodeRecord(in incoming) []byte {
	r := reader{b: appendRecord(nil, in)}
	return r.bytes(r.uvarint())
}

// Rest returns what else the journal holds when all entries are there.
func (r *Restoration) Rest() []Change {
	m := savedMark{have: r.by.have, records: int(r.by.have), sums: r.by.sums}
	return []Change{m.change(r.by.id), savedMeta{self: r.by.id}.change()}
}
