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

// maxEntry is how long an entry's key and value may be together: the rest of its record takes
// less than the difference.
const maxEntry = maxRecord - 64

// Check tells why no store can hold an entry, nil if one can.
func (e Entry) Check() error {
	err := checkWireKey(e.Key)
	switch {
	case err != nil:
	case len(e.Key)+len(e.Value) > maxEntry:
		err = fmt.Errorf("%d bytes: too large", len(e.Key)+len(e.Value))
	case e.Dir && e.Value != "", e.TTL < 0, !e.Leased && e.TTL != 0:
		err = errMalformed
	}
	if err != nil {
		return fmt.Errorf("%w: %.100q: %w", errEntry, e.Key, err)
	}
	return nil
}

// Entry returns what the journal holds of an entry. The directories that lead to it come
// before it, and no key comes twice.
func (r *Restoration) Entry(e Entry) (Change, error) {
	if err := e.Check(); err != nil {
		return Change{}, err
	}
	rec := &record{key: e.Key, time: r.stamp, node: r.by.id, author: r.by, seq: r.by.have + 1, kind: kindFile, action: Create}
	if e.Dir {
		rec.kind = kindDir
	}
	in := incoming{record: rec, value: e.Value}
	if e.Leased {
		rec.flags, in.ttl = leased, e.TTL
		e.CreatedIndex, e.ModifiedIndex = 0, 0 // as in Node.appendSaved
	}
	r.by.have++
	*rec.sum() += rec.hash()
	return Change{
		Key:   append([]byte{savedKeyKind}, e.Key...),
		Value: appendSaved(nil, in, e.CreatedIndex, e.ModifiedIndex),
	}, nil
}

// Rest returns what else the journal holds when all entries are there.
func (r *Restoration) Rest() []Change {
	m := savedMark{have: r.by.have, records: int(r.by.have), sums: r.by.sums}
	return []Change{m.change(r.by.id), savedMeta{self: r.by.id}.change()}
}
