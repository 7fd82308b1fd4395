// Package feed gives pools to balancers that ask for them: Traefik's HTTP provider, Envoy's endpoint discovery over REST,
// and Prometheus, which wants to watch the same servers.
//
// Each format is a function from pools to bytes. Equal pools give equal bytes, whatever the order of their services; there
// is no state, and nothing of a key or a value is written but addresses, numbers and words that [lbsync.ParseValue] has
// let through.
//
// [Handler] serves them all. It answers with the whole or with an error: a program that polls takes a short list for the
// truth, and keeps what it has when it gets a 503.
package feed
