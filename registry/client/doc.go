// Package client is the Go client of the registry, and of any server that speaks etcd's v2 keys API.
//
// A [Client] knows several nodes and needs one of them. It stays with the node that answered last, moves to the next
// when that one fails, and after a whole round of failures waits a little, with jitter, before it goes round again.
// It gives up after [Options].Rounds rounds with an [UnavailableError].
//
// # What is sent twice, and what is not
//
// When a connection breaks after a request was sent, nobody knows whether the node has done it. Reads, plain sets and
// updates, refreshes and plain deletes end in the same state however often they are done, so they are sent again, to
// the next node. A write with a condition (PrevValue, PrevIndex, create) and an in-order create are not: those come
// back as [OutcomeUnknownError], and the caller reads the key and decides. A node that could not be reached, or that
// answers 503 (not ready), has done nothing, so any request goes on to the next one.
//
// # Watching
//
// The usual loop lists a directory, then watches it from the index of that listing:
//
//	listing, err := c.Get(ctx, "/frontends", client.GetOptions{Recursive: true})
//	...
//	w := c.Watch("/frontends", client.WatchOptions{AfterIndex: listing.Index, Recursive: true})
//	for {
//		change, err := w.Next(ctx)
//		if client.IsLostPlace(err) {
//			// List again: changes may have been missed.
//		}
//		...
//	}
//
// A [Watcher] gives every change once and in order, or says that it cannot. An index means something only at the node
// that gave it; a registry node refuses a foreign one, and a Watcher passes that on as [LostPlaceError].
//
// # Registering
//
// [Client.Register] keeps one entry alive by heartbeats for as long as its context lives, then takes it away.
// [Client.Members] tells which nodes there are.
//
// The package uses the standard library alone and no other package of this module.
package client
