package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall/metrics"
	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// maxMaxBody is the most that a request may hold: what one node takes the others must
// take, too, and they refuse records above 9 MiB.
const maxMaxBody = 8 << 20

// nodeConfig configures a registry node.
type nodeConfig struct {
	name          string   // unique in the cluster; "" means the host's name
	dataDir       string   // "" keeps nothing on disk
	resync        bool     // what is in it gives way to what the other nodes have
	listen        string   // HOST:PORT for clients; port 0 takes a free one
	advertise     []string // URLs under which clients reach the node; none: made from listen
	maxBody       int64    // bytes
	limits        limitsConfig
	tls           tlsConfig
	renewalEvents bool
	etcdMetrics   bool   // the names of etcd on /metrics, too
	debugListen   string // HOST:PORT for pprof, "" for none
	gossip        gossipConfig
	lbsync        string           // path of lbsync.yaml, "" for none
	reload        <-chan os.Signal // each one has lbsync.yaml read again; nil for never
	notify        *notifier        // of systemd, nil for nobody
}

// validate refuses what would only show later, at the clients.
func (c *nodeConfig) validate() error {
	if c.maxBody < 1 || c.maxBody > maxMaxBody {
		return fmt.Errorf("--max-body %d: must be from 1 to %d", c.maxBody, int64(maxMaxBody))
	}
	if err := c.limits.validate(c.maxBody); err != nil {
		return err
	}
	for _, text := range c.advertise {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("--advertise %q: must be a URL such as http://10.0.0.1:4001", text)
		}
	}
	if err := cmp.Or(c.tls.validate(), c.gossip.validate()); err != nil {
		return err
	}
	if c.resync && (c.dataDir == "" || len(c.gossip.join) == 0) {
		return errors.New("--resync: needs --data-dir and --join, since all is to come from other nodes")
	}
	return nil
}

// node is one registry node: bound by newNode, alive while Run runs.
type node struct {
	cfg      nodeConfig
	log      *slog.Logger
	store    *registry.Store
	data     *data // nil without a data directory
	listener net.Listener
	tls      *tlsKeeper   // nil for plain HTTP
	inner    *innerPort   // for lbsync when there is TLS, else nil
	debug    net.Listener // nil without pprof
	cluster  *cluster     // nil for a node alone
	lbsync   *supervisor  // nil without lbsync
	handler  http.Handler
	guard    *httpapi.Guard
}

// newNode opens the data directory and binds the ports. Run releases them.
func newNode(ctx context.Context, cfg nodeConfig, version string, log *slog.Logger) (_ *node, err error) {
	n := &node{cfg: cfg, log: log, guard: httpapi.NewGuard(cfg.limits.guard)}
	if n.cfg.name == "" {
		if n.cfg.name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("name of the node: %w", err)
		}
	}
	if n.tls, err = newTLSKeeper(n.cfg.tls, log); err != nil {
		return nil, err
	}
	if n.data, err = openData(&n.cfg, log); err != nil {
		return nil, err
	}
	if err := n.openAll(ctx, version); err != nil {
		return nil, errors.Join(err, n.data.close())
	}
	return n, nil
}

// openAll binds the ports and does what needs them and the store.
func (n *node) openAll(ctx context.Context, version string) error {
	if err := n.bind(ctx); err != nil {
		return err
	}
	n.store = registry.New(n.storeOptions())
	err := n.data.attach(n.store)
	if err == nil {
		err = n.openLbsync(ctx, version)
	}
	if err == nil && n.cfg.gossip.isOn() {
		n.cluster, err = newCluster(n.cfg, n.store, n.data, n.log) //nolint:contextcheck // gossip bounds the look-up of its own address itself
	}
	if err != nil {
		n.close()
		return err
	}
	n.handler = n.newHandler(version)
	return nil
}

func (n *node) storeOptions() registry.Options {
	o := registry.Options{Tag: tagOf(n.cfg.name), RenewalEvents: n.cfg.renewalEvents, Limits: n.cfg.limits.ofStore(n.cfg.maxBody), Log: n.log}
	if n.data != nil && n.data.after != 0 { // the tag may have changed since the node got its name
		o.AfterIndex = n.data.after
		_, o.Tag = registry.IndexAhead(o.AfterIndex, time.Now())
	}
	return o
}

func (n *node) bind(ctx context.Context) (err error) {
	var lc net.ListenConfig
	if n.listener, err = lc.Listen(ctx, "tcp", n.cfg.listen); err != nil {
		return fmt.Errorf("client port: %w (choose another address with --listen)", err)
	}
	if n.cfg.debugListen != "" {
		if n.debug, err = lc.Listen(ctx, "tcp", n.cfg.debugListen); err != nil {
			n.close()
			return fmt.Errorf("debug port: %w (choose another address with --debug-listen)", err)
		}
	}
	if len(n.cfg.advertise) == 0 {
		n.cfg.advertise = []string{n.cfg.tls.scheme() + reachable(n.listener.Addr().(*net.TCPAddr))}
	}
	n.tls.checkAdvertised(n.cfg.advertise)
	return nil
}

// close releases the ports of a node that never ran.
func (n *node) close() {
	n.listener.Close()
	if n.debug != nil {
		n.debug.Close()
	}
	if n.lbsync != nil {
		n.lbsync.close()
	}
	if n.cluster != nil {
		n.cluster.close()
	}
}

func (n *node) newHandler(version string) http.Handler {
	requests := metrics.NewHTTP()
	collectors := []prometheus.Collector{requests, metrics.NewRegistryCollector(n.store.Stats), metrics.NewLimitsCollector(n.store.Stats, n.guard.Stats)}
	collectors = append(collectors, n.data.collectors()...)
	if n.cluster != nil {
		collectors = append(collectors, metrics.NewGossipCollector(n.cluster.gossip.Stats))
	}
	if n.lbsync != nil {
		collectors = append(collectors, n.lbsync.collectors()...)
	}
	if n.tls != nil {
		collectors = append(collectors, metrics.NewTLSCollector(n.tls.Stats))
	}
	instrument := requests.Wrap
	if n.cfg.etcdMetrics {
		etcd := metrics.NewEtcd(n.store.Stats)
		collectors = append(collectors, etcd)
		instrument = func(route string, next http.Handler) http.Handler {
			return requests.Wrap(route, etcd.Wrap(route, next))
		}
	}
	exposed := metrics.NewRegistry(version, collectors...)
	alive := httpapi.Check{Name: "store", Fail: func() error {
		n.store.Index() // hangs, and so fails the probe, if the mutex is stuck
		return nil
	}}
	options := httpapi.Options{
		Name:       n.cfg.name,
		Cluster:    n.cfg.gossip.cluster,
		ClientURLs: n.cfg.advertise,
		Version:    version,
		MaxBody:    n.cfg.maxBody,
		Live:       []httpapi.Check{alive},
		Ready:      append([]httpapi.Check{alive}, n.data.checks()...),
		Extra: []httpapi.Route{
			{Pattern: "/metrics", Handler: metrics.Handler(exposed)},
			{Pattern: discoveryPath, Handler: discovery(n.store, n.synced)},
		},
		Guard:      n.guard,
		Instrument: instrument,
	}
	if n.cluster != nil {
		n.cluster.serve(&options)
	}
	return n.tls.protect(httpapi.New(n.store, options), refuseClient)
}

// URL is where the node answers.
func (n *node) URL() string { return n.cfg.tls.scheme() + n.listener.Addr().String() }

// Run serves until the context ends, then stops in order: no new connections, watches
// released, running requests finished, the last changes and the index written down.
func (n *node) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var group errgroup.Group
	group.Go(func() error { n.store.Run(background); return nil })
	group.Go(func() error { n.data.run(background, n.store); return nil })
	group.Go(func() error { n.awaitSync(background); return nil })
	group.Go(func() error { n.tls.run(background); return nil })
	group.Go(func() error { n.cfg.notify.run(background, n.vitals); return nil })
	context.AfterFunc(ctx, n.cfg.notify.stopping)
	defer n.cfg.notify.stopping()
	if n.debug != nil {
		group.Go(func() error { return serve(ctx, n.debug, debugHandler(), n.log) })
	}
	if n.cluster != nil {
		group.Go(func() error { return n.cluster.run(background, stop) })
	}
	n.log.Info("node is up", "name", n.cfg.name, "listen", n.listener.Addr().String(),
		"advertise", n.cfg.advertise, "data_dir", n.cfg.dataDir, "renewal_events", n.cfg.renewalEvents)
	serving := ctx
	if n.lbsync != nil {
		serving = n.runLbsync(ctx, &group, stop)
	}
	if n.inner != nil {
		group.Go(func() error { return serve(serving, n.inner, n.handler, n.log) })
	}
	server := httpapi.NewServer(n.handler, n.log)
	err := serveWith(serving, server, n.tls.listen(server, n.guard.Bound(server, n.listener)), n.log)
	stop()
	stopBackground()
	err = errors.Join(err, group.Wait(), n.data.close())
	n.log.Info("node has stopped", "name", n.cfg.name)
	return err
}

// synced returns why the node does not have what the others have, nil once it does.
func (n *node) synced() error {
	if n.cluster == nil {
		return nil
	}
	return n.cluster.gossip.Ready()
}

// awaitSync lets leases run from when the node has what the others have.
func (n *node) awaitSync(ctx context.Context) {
	if n.cluster != nil {
		select {
		case <-n.cluster.gossip.Synced():
		case <-ctx.Done():
			return
		}
	}
	n.store.Synced()
	n.data.endResync(ctx, n.store)
	n.cfg.notify.setReady()
}

// tagOf gives a node's indexes the tag that they begin with. Where two nodes have the same,
// the younger takes a larger one, so the upper half is left free.
func tagOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return 1 + h.Sum64()%(registry.MaxTag/2)
}
