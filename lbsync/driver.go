package lbsync

import (
	"context"
	"net/netip"
)

// A Driver knows one kind of balancer. Except for CheckCandidate it is used by one goroutine at a time. Every method that runs or asks something
// bounds it in time, also when ctx has no deadline.
type Driver interface {
	// Kind is the balancer's name, "haproxy" or "nginx". It labels logs and metrics.
	Kind() string
	// Render writes the whole file for the pools, in their order. The same pools give the same bytes.
	Render(pools []Pool) ([]byte, error)
	// Live compares the running balancer with a rendered file and, where the balancer can do that, brings its servers to
	// the file without a reload, reads them back, and says what is left to do. It is called for every change, and every
	// few seconds without one, so that whatever happened behind lbsync's back is found. An error means that the
	// balancer is there and its answers cannot be used.
	Live(ctx context.Context, file []byte) (Live, error)
	// Plan says what Live would do and find, and changes nothing.
	Plan(ctx context.Context, file []byte) (Plan, error)
	// CheckCandidate has the balancer examine the file at path, which is not in place yet. It may run beside the others.
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

// Live is what a running balancer was found to be, after what could be done without a reload was done.
type Live struct {
	// Blind tells that the driver has no way to ask the balancer. Then the other fields mean nothing.
	Blind bool
	// Running tells whether a balancer answered at all.
	Running bool
	// Hot tells that changes of servers need no reload here.
	Hot bool
	// Reload says in words why the balancer has to load the file; empty when it runs what the file says.
	Reload string
	// Commands counts the changes that were made. That a server which was switched off before is deleted, once its last
	// session has ended, is none.
	Commands int
	// Servers are those of the running balancer as it reports them, the ones that are about to go included, sorted by
	// service and address. nil when the balancer does not tell: it then serves what the file says.
	Servers []Served
	// OldWorkers counts processes that still finish connections with a former configuration.
	OldWorkers int
}

// Served is one server of a running balancer.
type Served struct {
	Service string
	Addr    netip.AddrPort
	// State is what the balancer does with it by configuration or command.
	State State
	// Leaving tells that the server is not in the file any more: it gets nothing new and stays until its sessions end.
	Leaving bool
	// Sessions counts the requests under way at it, those of old workers included.
	Sessions int
	// Health is "up", "down" or, without checks, "unknown".
	Health string
}

// Plan is what a driver would do to bring a running balancer to a file.
type Plan struct {
	// Running tells whether a balancer answered.
	Running bool
	// Commands are the runtime commands, in order, in the balancer's words.
	Commands []string
	// Reload says in words why a reload would be needed; empty for none.
	Reload string
}

// A Target is one file of one balancer.
type Target struct {
	// Config is the path of the file. Where it is a symbolic link, the file it leads to is replaced.
	Config string
	// Services are the pools to render, in this order.
	Services []string
	// Driver knows the balancer.
	Driver Driver
	// Zone is the balancer's own availability zone; empty for none. Servers of other zones become backups.
	Zone string
	// Pace bounds reloads.
	Pace Pace
}
