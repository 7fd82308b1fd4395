package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// defaultDeregisterTimeout is well below the ten seconds that init systems grant a stopping service.
	defaultDeregisterTimeout = 5 * time.Second
	// minHeartbeatTimeout keeps the time-out of a heartbeat usable when the TTL is a second or two.
	minHeartbeatTimeout = 200 * time.Millisecond
	// heartbeatJitter is the share of an interval by which a heartbeat may come early, so that hosts that were started
	// together do not stay together.
	heartbeatJitter = 0.2
	// lastHeartbeat is how long a heartbeat under way may go on after the end of the context. Cut off, it might
	// arrive after the removal and bring the entry back.
	lastHeartbeat = time.Second
)

// RegisterOptions refine [Client.Register]. TTL is required.
type RegisterOptions struct {
	// TTL is how long the entry outlives its last heartbeat, in seconds rounded up.
	TTL time.Duration
	// Interval is the time between two heartbeats; 0 means a third of the TTL, so that two may be lost. Each comes up
	// to a fifth earlier, at random. It must be shorter than the TTL.
	Interval time.Duration
	// DeregisterTimeout bounds the removal of the entry at the end. 0 means 5 seconds.
	DeregisterTimeout time.Duration
	// OnRegistered, if not nil, is called once, when a node has accepted the entry for the first time.
	OnRegistered func()
	// Logger receives changes of state: registered, failing, recovered, removed. nil means the client's.
	Logger *slog.Logger
}

// Register writes an entry and renews it until ctx ends; then it removes the entry, if it still holds the value, and
// returns. A heartbeat that fails goes on to the next node at once, and when none answers is tried again after short,
// growing pauses; an entry that somebody removes comes back with the next heartbeat.
//
// The result is nil when the entry is gone at the end. Before the first success it is the node's [Error] when it
// refuses the entry; afterwards refusals are logged and tried again. The value must not be empty: the removal at the
// end compares it, so as to leave an entry that another process has taken over.
func (c *Client) Register(ctx context.Context, key, value string, opts RegisterOptions) error {
	g, err := newRegistration(c, key, value, opts)
	if err != nil {
		return err
	}
	if err := g.keepAlive(ctx); err != nil {
		return err
	}
	return g.remove(context.WithoutCancel(ctx))
}

// registration is one entry that is kept alive.
type registration struct {
	client     *Client
	key, value string
	put        request
	opts       RegisterOptions
	log        *slog.Logger

	sent     bool // A heartbeat has been sent; there may be an entry.
	accepted bool // A node has accepted the entry at least once.
	failures int  // Heartbeats in a row that failed.
}

func newRegistration(c *Client, key, value string, opts RegisterOptions) (*registration, error) {
	if opts.Interval == 0 {
		opts.Interval = opts.TTL / 3
	}
	if opts.DeregisterTimeout == 0 {
		opts.DeregisterTimeout = defaultDeregisterTimeout
	}
	if opts.Logger == nil {
		opts.Logger = c.log
	}
	switch {
	case value == "":
		return nil, errors.New("client: register: the value is empty")
	case opts.TTL <= 0:
		return nil, errors.New("client: register: the TTL must be positive")
	case opts.Interval <= 0 || opts.Interval >= opts.TTL:
		return nil, fmt.Errorf("client: register: the interval %v must be between 0 and the TTL %v", opts.Interval, opts.TTL)
	case opts.DeregisterTimeout < 0:
		return nil, errors.New("client: register: the time-out of the removal is negative")
	}
	put, err := newSet(key, value, SetOptions{TTL: opts.TTL})
	if err != nil {
		return nil, err
	}
	put.timeout = min(c.timeout, max(opts.Interval/2, minHeartbeatTimeout))
	return &registration{
		client: c, key: key, value: value, put: put, opts: opts,
		log: opts.Logger.With("key", key),
	}, nil
}

// keepAlive sends heartbeats until ctx ends, or until the first is refused.
func (g *registration) keepAlive(ctx context.Context) error {
	for ctx.Err() == nil {
		err := g.heartbeat(ctx)
		if isRefusal(err) && !g.accepted {
			return err
		}
		if ctx.Err() == nil {
			g.note(ctx, err)
		}
		_ = sleep(ctx, g.wait()) // The end of ctx ends the loop.
	}
	return nil
}

// heartbeat writes the entry. It goes on for a moment after the end of ctx.
func (g *registration) heartbeat(ctx context.Context) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lastHeartbeat, cancel) })
	defer stop()
	g.sent = true
	_, err := g.client.do(sending, g.put)
	return err
}

// wait is the time to the next heartbeat: the interval, or less while the entry is in danger.
func (g *registration) wait() time.Duration {
	if g.failures > 0 {
		return min(pause(g.failures), g.opts.Interval)
	}
	return jitter(g.opts.Interval, heartbeatJitter)
}

// note counts the outcome of a heartbeat and logs it when it is news.
func (g *registration) note(ctx context.Context, err error) {
	switch {
	case err != nil:
		g.failures++
		level := slog.LevelDebug
		if g.failures == 1 {
			level = slog.LevelWarn
		}
		g.log.LogAttrs(ctx, level, "heartbeat failed", errAttr(err))
		return
	case !g.accepted:
		g.accepted = true
		g.log.LogAttrs(ctx, slog.LevelInfo, "registered", slog.Duration("ttl", g.opts.TTL))
		if g.opts.OnRegistered != nil {
			g.opts.OnRegistered()
		}
	case g.failures > 0:
		g.log.LogAttrs(ctx, slog.LevelInfo, "heartbeat recovered", slog.Int("failures", g.failures))
	}
	g.failures = 0
}

// remove deletes the entry if it is still this one, and tries until a node says that it is gone or another's. Either
// answer is as good as success, so the request can be repeated, unlike other conditional ones.
func (g *registration) remove(ctx context.Context) error {
	if !g.sent {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.opts.DeregisterTimeout)
	defer cancel()
	request, err := newDelete(g.key, DeleteOptions{PrevValue: g.value})
	if err != nil {
		return err
	}
	request.repeatable, request.timeout = true, g.put.timeout
	for n := 1; ; n++ {
		_, err := g.client.do(ctx, request)
		switch {
		case err == nil || IsNotFound(err) || IsTestFailed(err):
			g.log.LogAttrs(ctx, slog.LevelInfo, "deregistered")
			return nil
		case !IsUnavailable(err), sleep(ctx, pause(n)) != nil:
			return fmt.Errorf("client: deregister %s: %w", g.key, err)
		}
	}
}
