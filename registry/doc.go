// Package registry holds the state of one registry node: keys, their values and
// leases, the events that change them, and the watches that follow the events.
//
// A [Store] is a tree of files and directories with the rules of etcd's v2 keys
// API. It lives in memory, knows no network and no disk, and answers every read
// and write alone.
//
// The path of a write: [Store.Put] takes the mutex, ends the leases that are due,
// changes the tree, takes an index, and hands the resulting [Event] to the history
// and to the watches. Nothing foreign runs under the mutex; a watch has a bounded
// queue of its own and a slow reader loses its place (and is told) before it can
// hold up a writer. What a read returns is immutable: a [Node] is never changed
// after it was published, a write replaces it.
//
// [Options.Limits] bound what clients may add to the state. They never refuse a renewal, a
// removal, or a record that comes from another node or from disk.
//
// The one idea that makes heartbeats cheap: a renewal is not news. A Put that
// repeats the value and the TTL of a live lease moves its deadline and gets a new
// index, but it is no event: it wakes no watch and takes no history. See
// [Options.RenewalEvents] for etcd's stricter behaviour.
//
// What replicates are records. Each write makes one: what became of a key, with a
// version from a hybrid logical clock that decides, in merge.go, which of two records
// stands, in whatever order they come. A record is put into circulation by an author, one
// run of one node, under the next number of it; so what a store has seen is told by one
// number for each author ([Store.Digest]), and what another lacks is found by comparing
// ([Store.Delta], [Store.OwnDelta], [Store.Apply]). Removals are records, too, and are
// kept for [Options.Retention]. The author of an entry's record keeps its lease: renewals
// that come to another store are passed on ([Store.Outbox], [Store.Mail]), and the leases
// of authors that are gone ([Store.Alive]) begin to run everywhere. Whoever joins the
// store to a network carries these bytes and need not understand them.
// docs/replication.md has the guarantees and the format.
package registry
