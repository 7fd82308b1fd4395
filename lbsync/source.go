package lbsync

import (
	"context"
	"errors"
)

// An Entry is one key of a prefix with its value, both as the registry has them: nothing about them can be trusted.
type Entry struct {
	// Key is relative to the prefix, without a leading slash.
	Key   string
	Value string
}

// A Listing is all entries below a prefix at one moment.
type Listing struct {
	Entries []Entry
	// Index is that moment, to wait for changes after it.
	Index uint64
}

// ErrLostPlace is what [Source].Await returns when changes may have been missed: list again.
var ErrLostPlace = errors.New("changes may have been missed")

// A Source is the registry as a Syncer sees it. It is safe for concurrent use, tries its endpoints in turn by itself,
// and bounds List in time.
type Source interface {
	// List returns all entries below prefix. A prefix that does not exist is an empty listing. Any other doubt is an
	// error: an empty listing and no error means that the registry says so.
	List(ctx context.Context, prefix string) (Listing, error)
	// Await blocks until something below prefix has changed after index, and returns nil; or ErrLostPlace; or the
	// context's error; or any other error when the registry cannot be asked. It may return nil without a change.
	Await(ctx context.Context, prefix string, index uint64) error
}
