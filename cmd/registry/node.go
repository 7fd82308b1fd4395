package main

import (
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
	"rollcall/registry/disk"
	"rollcall/registry/httpapi"
)

// maxIndexAhead is how far in the future the indexes of a former run may be. More is
// not a clock that was wrong for a while but a damaged file.
const maxIndexAhead = 365 * 24 * time.Hour

// maxMaxBody is the most that a request may hold: what one node takes the others must
// take, too, and they refuse records above 9 MiB.
const maxMaxBody = 8 << 20

// nodeConfig configures a registry node.
type nodeConfig struct {
	name          string   // unique in the cluster; "" means the host's name
	dataDir       string   // "" keeps nothing on disk
	listen        string   // HOST:PORT for clients; port 0 takes a free one
	advertise     []string // URLs under which clients reach the node; none: made from listen
	maxBody       int64    // bytes
	limits        limitsConfig
	renewalEvents bool
	debugListen   string // HOST:PORT for pprof, "" for none
	gossip        gossipConfig
	lbsync        string           // path of lbsync.yaml, "" for none
	reload        <-chan os.Signal // each one has lbsync.yaml read again; nil for never
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
	return c.gossip.validate()
}

// node is one registry node: bound by newNode, alive while Run runs.
type node struct {
	cfg      nodeConfig
	log      *slog.Logger
	store    *registry.Store
	mark     *disk.Mark // nil without a data directory
	listener net.Listener
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
	options := registry.Options{Tag: tagOf(n.cfg.name), RenewalEvents: cfg.renewalEvents, Limits: cfg.limits.ofStore(cfg.maxBody), Log: log}
	if cfg.dataDir != "" {
		if options.AfterIndex, err = n.openMark(); err != nil {
			return nil, err
		}
		if options.AfterIndex != 0 { // the tag may have changed since the node got its name
			_, options.Tag = registry.IndexAhead(options.AfterIndex, time.Now())
		}
	}
	if err := n.bind(ctx); err != nil {
		return nil, errors.Join(err, n.closeMark())
	}
	n.store = registry.New(options)
	if err := n.openLbsync(ctx, version); err != nil {
		n.close()
		return nil, errors.Join(err, n.closeMark())
	}
	if err := n.open(version); err != nil { //nolint:contextcheck // gossip bounds the look-up of its own address itself
		n.close()
		return nil, errors.Join(err, n.closeMark())
	}
	return n, nil
}

// open does what needs the ports and the store.
func (n *node) open(version string) (err error) {
	if n.mark != nil {
		if err := n.mark.Raise(n.store.Index()); err != nil {
			return err
		}
	}
	if n.cfg.gossip.isOn() {
		if n.cluster, err = newCluster(n.cfg, n.store, n.mark, n.log); err != nil {
			return err
		}
	}
	n.handler = n.newHandler(version)
	return nil
}

// openMark returns the bound of the indexes of former runs.
func (n *node) openMark() (after uint64, err error) {
	if n.mark, err = disk.OpenMark(n.cfg.dataDir, 60*registry.IndexesPerSecond); err != nil {
		return 0, err
	}
	after = n.mark.Bound()
	ahead, tag := registry.IndexAhead(after, time.Now())
	if tag == 0 || tag > registry.MaxTag { // no index of a node
		n.mark.Forget()
		return 0, nil
	}
	if ahead > maxIndexAhead {
		err := fmt.Errorf("the index mark in %s is %v ahead of the clock; set the clock, or remove the file index and have all clients list again",
			n.cfg.dataDir, ahead.Round(time.Hour))
		return 0, errors.Join(err, n.closeMark())
	}
	return after, nil
}

func (n *node) closeMark() error {
	if n.mark == nil {
		return nil
	}
	return n.mark.Close()
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
		n.cfg.advertise = []string{"http://" + reachable(n.listener.Addr().(*net.TCPAddr))}
	}
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
	if n.cluster != nil {
		collectors = append(collectors, metrics.NewGossipCollector(n.cluster.gossip.Stats))
	}
	if n.lbsync != nil {
		collectors = append(collectors, n.lbsync.collectors()...)
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
		Ready:      []httpapi.Check{alive},
		Extra:      []httpapi.Route{{Pattern: "/metrics", Handler: metrics.Handler(exposed)}},
		Guard:      n.guard,
		Instrument: requests.Wrap,
	}
	if n.cluster != nil {
		n.cluster.serve(&options)
	}
	return httpapi.New(n.store, options)
}

// URL is where the node answers.
func (n *node) URL() string { return "http://" + n.listener.Addr().String() }

// Run serves until the context ends, then stops in order: no new connections, watches
// released, running requests finished, the index written down.
func (n *node) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var group errgroup.Group
	group.Go(func() error { n.store.Run(background); return nil })
	if n.mark != nil {
		group.Go(func() error {
			n.mark.Run(background, n.store.Index, n.log)
			return nil
		})
	}
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
	server := httpapi.NewServer(n.handler, n.log)
	err := serveWith(serving, server, n.guard.Bound(server, n.listener), n.log)
	stop()
	stopBackground()
	err = errors.Join(err, group.Wait(), n.closeMark())
	n.log.Info("node has stopped", "name", n.cfg.name)
	return err
}

// tagOf gives a node's indexes the tag that they begin with. Where two nodes have the same,
// the younger takes a larger one, so the upper half is left free.
func tagOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return 1 + h.Sum64()%(registry.MaxTag/2)
}
