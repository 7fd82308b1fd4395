package registry

// Change is what becomes of one key of the [Journal]: a new value, or nil when the key goes.
type Change struct{ Key, Value []byte }

// Journal keeps a store's state on disk, as opaque keys and values.
type Journal interface {
	// Commit makes all changes or none, and returns when they are there: after a crash of the
	// process, and with sync after a power loss, too. It is called by one goroutine at a time
	// and may block for as long as the disk does. After an error nothing more can be kept until
	// the node is started anew.
	Commit(changes []Change, sync bool) error
}
