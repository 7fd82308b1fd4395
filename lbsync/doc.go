// Package lbsync keeps load balancers in step with the registry.
//
// A [Syncer] follows one prefix of the registry for each service, parses every entry strictly into a [Server], and
// brings each target (one configuration file of one balancer) to the resulting pools:
//
//	list and watch -> pool -> render -> check -> replace -> reload -> verify
//
// What it guarantees:
//
//   - Nothing of a key or of a value reaches a file as free text. A file is made of parsed addresses, numbers and words
//     of the operator's configuration; an entry that is not exactly an address is rejected with a [Reason] and the
//     other entries go on.
//   - A file is replaced only by one that the balancer's own checker has accepted, and atomically: a crash leaves
//     the old file or the new one.
//   - A pool is never emptied: when the registry is down, wiped or lists no usable server, the last servers stay.
//   - Desired, written and applied are three facts. A change counts as applied only after the reload was seen to work;
//     a failed reload puts the last good file back and is tried again.
//
// What it does not do yet: it tells an expiry from a removal nowhere (a pool may shrink to its last server at the speed
// of the registry), it reloads HAProxy for every change, and it does not report back what it has applied.
//
// The package knows no balancer: [Driver] is implemented by the packages haproxy and nginx below it, and the registry is
// seen through [Source].
package lbsync
