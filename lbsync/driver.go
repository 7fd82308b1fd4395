package lbsync

import "context"

// A Driver knows one kind of balancer. It is used by one goroutine at a time. Every method that runs something bounds
// it in time, also when ctx has no deadline.
type Driver interface {
	// Kind is the balancer's name, "haproxy" or "nginx". It labels logs and metrics.
	Kind() string
	// Render writes the whole file for the pools, in their order. The same pools give the same bytes.
	Render(pools []Pool) ([]byte, error)
	// CheckCandidate has the balancer examine the file at path, which is not in place yet.
	CheckCandidate(ctx context.Context, path string) error
	// CheckLive has the balancer examine its whole configuration, with the new file in place and not loaded. It returns
	// nil when CheckCandidate says all that can be said.
	CheckLive(ctx context.Context) error
	// Reload has the balancer load its configuration. An error means that it has not, as far as can be told. Without an
	// error, the Proof tells later whether it really has.
	Reload(ctx context.Context) (Proof, error)
}

// A Proof waits until the balancer is seen to run the new configuration, for a bounded time. It returns nil as well when
// there is no way to see that.
type Proof func(ctx context.Context) error

// A Target is one file of one balancer.
type Target struct {
	// Config is the path of the file. Where it is a symbolic link, the file it leads to is replaced.
	Config string
	// Services are the pools to render, in this order.
	Services []string
	// Driver knows the balancer.
	Driver Driver
}
