package lbsync

import (
	"context"
	"errors"
	"time"
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

// A Change is one event below a prefix.
type Change struct {
	Kind ChangeKind
	// Entry is the entry as it is now; its Key is what has changed, empty for the prefix itself. Value is that of a set.
	Entry
	// Dir tells that the key is, or was, a directory.
	Dir bool
	// Index is the change's place in the registry's order.
	Index uint64
}

// ChangeKind says what happened to an entry.
type ChangeKind int

const (
	// ChangeOther is anything that a listing has to tell.
	ChangeOther ChangeKind = iota
	// ChangeNone is one that changes no entry, such as the new lease of a directory.
	ChangeNone
	// ChangeSet is an entry that has come or has changed.
	ChangeSet
	// ChangeDeleted is an entry, or a directory with all below, that was removed on purpose.
	ChangeDeleted
	// ChangeExpired is an entry, or a directory with all below, whose lease has run out.
	ChangeExpired
)

// ErrLostPlace is what [Source].Next returns when changes may have been missed: list again.
var ErrLostPlace = errors.New("changes may have been missed")

// A Source is the registry as a Syncer sees it. It is safe for concurrent use, tries its endpoints in turn by itself,
// and bounds List in time.
type Source interface {
	// List returns all entries below prefix. A prefix that does not exist is an empty listing. Any other doubt is an
	// error: an empty listing and no error means that the registry says so.
	List(ctx context.Context, prefix string) (Listing, error)
	// Next blocks until something below prefix has changed after index and returns the first such change; or
	// ErrLostPlace; or the context's error; or any other error when the registry cannot be asked.
	Next(ctx context.Context, prefix string, index uint64) (Change, error)
	// Put sets an entry with a lease, for what a Syncer reports. The key is absolute.
	Put(ctx context.Context, key, value string, ttl time.Duration) error
}
