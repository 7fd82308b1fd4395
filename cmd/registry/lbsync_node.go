package main

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/lbsync"
	"rollcall/registry/client"
)

// lbsyncStopTimeout bounds how long a node that stops goes on serving because lbsync is in the middle of a reload, which is
// finished in any case. It leaves some of the ten seconds that supervisors usually give.
const lbsyncStopTimeout = 2 * time.Second

// openLbsync loads lbsync.yaml, when there is one, for the node whose port is bound.
func (n *node) openLbsync(ctx context.Context, version string) (err error) {
	if n.cfg.lbsync == "" {
		return nil
	}
	n.lbsync, err = newSupervisor(ctx, supervisorOptions{
		path:    n.cfg.lbsync,
		config:  []lbsync.ConfigOption{lbsync.DefaultEndpoints(n.ownURL())},
		source:  n.innerSource(),
		version: version,
		log:     n.log,
		notify:  n.cfg.notify,
	})
	return err
}

// innerSource has lbsync reach this node inside of the process when clients use TLS; other endpoints it reaches as ever.
func (n *node) innerSource() func(*lbsync.Config) (lbsync.Source, error) {
	if n.tls == nil {
		return nil
	}
	n.inner = newInnerPort()
	transport := n.inner.transport()
	return func(cfg *lbsync.Config) (lbsync.Source, error) {
		if !slices.Equal(cfg.Endpoints, []string{n.ownURL()}) {
			return nil, nil //nolint:nilnil // nil is what the configuration says
		}
		return lbsync.NewRegistrySource(cfg.Endpoints, client.Options{Transport: transport, Logger: n.log})
	}
}

// ownURL is where the node reaches itself.
func (n *node) ownURL() string {
	addr := n.listener.Addr().(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		return n.cfg.tls.scheme() + net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.Port))
	}
	return n.URL()
}

// runLbsync runs lbsync until ctx ends, and has the node stop if it ends before. The context that it returns is for
// serving: it ends when lbsync has ended, or takes too long for that.
func (n *node) runLbsync(ctx context.Context, group *errgroup.Group, stop context.CancelFunc) context.Context {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer stop()
		defer stopServing()
		return n.lbsync.Run(ctx, n.cfg.reload)
	})
	context.AfterFunc(ctx, func() { time.AfterFunc(lbsyncStopTimeout, stopServing) })
	return serving
}
