package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// defaultTimeout is long enough for a listing of 100,000 entries, and short enough that a hung node costs a
	// person no more than a moment's doubt.
	defaultTimeout = 5 * time.Second
	// maxDialTimeout ends an attempt to reach a host that does not answer at all. It is shorter than the time-out of
	// a request, so that the client can tell "never sent" from "sent, no answer".
	maxDialTimeout = 2 * time.Second
	// defaultRounds survives the moment in which a single node restarts its listener, without making a person wait.
	defaultRounds = 2
	// maxRedirects is one more than the way from a follower to a leader takes in old servers.
	maxRedirects = 2
)

// Options are the settings of a [Client]. The zero value is ready for use.
type Options struct {
	// Timeout bounds one attempt at one node: the whole of a plain request, and the wait for the headers of a watch.
	// 0 means 5 seconds.
	Timeout time.Duration
	// Rounds is how often a request tries all nodes before it fails with an UnavailableError. 0 means 2.
	Rounds int
	// TLS configures https nodes. nil means the system's certificate authorities. Ignored when Transport is set.
	TLS *tls.Config
	// Transport carries the requests; nil means one made for this purpose, with keep-alives that find a dead host
	// within half a minute. It must not buffer answers: a watch relies on headers that come before the body.
	Transport http.RoundTripper
	// Logger receives what the client overcomes by itself, at level debug. nil means silence.
	Logger *slog.Logger
}

// Client sends requests to the nodes of a registry. It is safe for concurrent use; it owns no goroutine.
type Client struct {
	nodes   *nodeList
	http    *http.Client
	timeout time.Duration
	rounds  int
	log     *slog.Logger
}

// New returns a client of the given nodes, URLs like http://10.0.0.1:4001. A bare host:port means http. The order is
// the order of preference. New connects to nothing.
func New(endpoints []string, opts Options) (*Client, error) {
	nodes, err := newNodeList(endpoints)
	if err != nil {
		return nil, err
	}
	if opts.Timeout < 0 || opts.Rounds < 0 {
		return nil, errors.New("client: negative time-out or number of rounds")
	}
	c := &Client{nodes: nodes, timeout: opts.Timeout, rounds: opts.Rounds, log: opts.Logger}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.rounds == 0 {
		c.rounds = defaultRounds
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	transport := opts.Transport
	if transport == nil {
		transport = newTransport(opts.TLS, c.timeout)
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: checkRedirect}
	return c, nil
}

// Endpoints returns the URLs of the nodes, in order of preference.
func (c *Client) Endpoints() []string {
	return c.nodes.urls()
}

// Close drops idle connections. Requests under way are not touched, and the client stays usable.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
}

// newTransport finds dead hosts by itself: a watch may be silent for days, and only keep-alives tell that from death.
func newTransport(conf *tls.Config, timeout time.Duration) *http.Transport {
	dialer := &net.Dialer{
		Timeout: min(maxDialTimeout, timeout/2),
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
		},
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   maxDialTimeout,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// checkRedirect follows a redirect only while the method stays: net/http would turn a redirected PUT into a GET, whose
// success says nothing.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if req.Method != via[0].Method {
		return http.ErrUseLastResponse
	}
	return nil
}
