package httpapi

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"rollcall/registry"
)

// buffers is a pool for answers that are encoded for one request.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// appendEvent encodes an event as etcd does, with the line feed after it. TTLs are
// those of the time of the event.
func appendEvent(b []byte, e *registry.Event) []byte {
	b = append(b, `{"action":"`...)
	b = append(b, e.Action.String()...)
	b = append(b, `","node":`...)
	b = appendNode(b, e.Node, e.At(), isRemoval(e.Action))
	if e.Prev != nil {
		b = append(b, `,"prevNode":`...)
		b = appendNode(b, e.Prev, e.At(), false)
	}
	return append(b, "}\n"...)
}

// isRemoval tells whether the event's node has no value to show.
func isRemoval(a registry.Action) bool {
	return a == registry.Delete || a == registry.CompareAndDelete || a == registry.Expire
}

// appendGet encodes the answer to a read.
func appendGet(b []byte, l registry.Listing, now time.Time) []byte {
	b = append(b, `{"action":"get","node":`...)
	b = appendListing(b, l, now)
	return append(b, "}\n"...)
}

// sizeOf estimates from above how long a listing's encoding is, so that it is
// allocated once. Strings full of escapes may exceed it.
func sizeOf(l registry.Listing) int {
	const names, lease = 112, 64 // field names with two indexes; expiration and ttl
	size := names + len(l.Key) + len(l.Value)
	if l.HasLease() {
		size += lease
	}
	for _, entry := range l.Entries {
		size += sizeOf(entry)
	}
	return size
}

// appendListing encodes a node with its entries.
func appendListing(b []byte, l registry.Listing, now time.Time) []byte {
	b = appendHead(b, l.Node, now, false)
	for i, entry := range l.Entries {
		if i == 0 {
			b = append(b, `,"nodes":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendListing(b, entry, now)
	}
	if len(l.Entries) > 0 {
		b = append(b, ']')
	}
	return appendTail(b, l.Node)
}

// appendNode encodes a node as events show it.
func appendNode(b []byte, n *registry.Node, now time.Time, withoutValue bool) []byte {
	return appendTail(appendHead(b, n, now, withoutValue), n)
}

// appendHead encodes a node up to where its entries go. The root does not show its
// key.
func appendHead(b []byte, n *registry.Node, now time.Time, withoutValue bool) []byte {
	b = append(b, '{')
	if n.Key != registry.Root {
		b = append(b, `"key":`...)
		b = appendString(b, string(n.Key))
		b = append(b, ',')
	}
	switch {
	case n.IsDir():
		b = append(b, `"dir":true`...)
	case withoutValue:
		b = b[:len(b)-1] // the comma: only files below the root come here
	default:
		b = append(b, `"value":`...)
		b = appendString(b, n.Value)
	}
	if n.HasLease() {
		b = appendLease(b, n, now)
	}
	return b
}

// appendTail encodes what comes after a node's entries: the indexes, which the root
// has none of.
func appendTail(b []byte, n *registry.Node) []byte {
	if n.Key != registry.Root {
		b = append(b, `,"modifiedIndex":`...)
		b = strconv.AppendUint(b, n.ModifiedIndex, 10)
		b = append(b, `,"createdIndex":`...)
		b = strconv.AppendUint(b, n.CreatedIndex, 10)
	}
	return append(b, '}')
}

func appendLease(b []byte, n *registry.Node, now time.Time) []byte {
	b = append(b, `,"expiration":"`...)
	b = appendTime(b, n.Expiration(now))
	b = append(b, '"')
	if ttl := n.TTLSeconds(now); ttl > 0 {
		b = append(b, `,"ttl":`...)
		b = strconv.AppendInt(b, ttl, 10)
	}
	return b
}

// appendString encodes a JSON string. What is not plain ASCII is left to
// encoding/json, so that escapes are etcd's.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, _ := json.Marshal(s) //nolint:errchkjson // a string always has an encoding
			return append(b, escaped...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// nextTick returns when the encoding of a listing changes by itself: when a lease
// shows a second less. It is zero if there is no lease.
func nextTick(l registry.Listing, now time.Time) time.Time {
	var first time.Time
	if l.HasLease() {
		left := l.Expiration(now).Sub(now)
		first = now.Add((left-1)%time.Second + 1)
	}
	for _, entry := range l.Entries {
		if t := nextTick(entry, now); first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}
