// Package httpapi serves a [registry.Store] over HTTP: the v2 keys API as etcd
// serves it, with etcd's endpoints about the server itself, and the node's own
// probes. docs/differences.md lists where it differs from etcd on purpose.
//
// The path of a request: one middleware answers what concerns every path (CORS,
// unclean paths), the router finds the row of the table in routes.go, the handler
// parses the form, calls the store once, and encodes. Answers are encoded by hand,
// since the time of a heartbeat is the time of its decoding and encoding; what can
// be shared between readers (a listing, an event that many watches get) is encoded
// once.
package httpapi
