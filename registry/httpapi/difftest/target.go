package difftest

import (
	"net"
	"net/http"
	"time"
)

// Kind says what answers behind a [Target].
type Kind int

// The kinds of target. Letter and Default are Rollcall with and without renewal events.
const (
	Etcd Kind = iota
	Letter
	Default
)

// String gives the name used in reports.
func (k Kind) String() string {
	switch k {
	case Etcd:
		return "etcd"
	case Letter:
		return "rollcall with renewal events"
	default:
		return "rollcall"
	}
}

// Target is a server to play scenarios against.
type Target struct {
	Kind Kind
	// URL is the base, without a trailing slash.
	URL string

	client *http.Transport
}

// dialTimeout is generous: everything is on loopback, but the machine may be busy.
const dialTimeout = 5 * time.Second

// NewTarget returns a target for the server at url. It follows no redirects, uses no proxy, and reads nothing compressed.
func NewTarget(kind Kind, url string) *Target {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &Target{Kind: kind, URL: url, client: &http.Transport{
		DialContext:         dialer.DialContext,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 16,
	}}
}

// Close drops idle connections.
func (t *Target) Close() { t.client.CloseIdleConnections() }
