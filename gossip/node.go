package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	gometrics "github.com/hashicorp/go-metrics"
	"github.com/hashicorp/memberlist"
)

const (
	// leaveTimeout bounds what a node does to leave in good order, in two steps.
	leaveTimeout = 2 * time.Second
	// tellTimeout bounds how long a new meta is waited for.
	tellTimeout = 600 * time.Millisecond
	// pruneEvery is how often members that are gone are looked through.
	pruneEvery = time.Minute
	// handoffDepth is how many messages memberlist holds between two of its goroutines.
	handoffDepth = 4096
)

// Node is one node of the cluster. All methods may be called concurrently.
//
// The goroutines of a node: one follows memberlist's callbacks, two for each peer send
// to it and apply what it sent, one each asks for repair, relays, joins, looks at the
// key file and passes the state's news on; short ones send questions and answers.
type Node struct {
	cfg       Config
	log       *slog.Logger
	state     State
	author    uint64
	addr      string
	list      *memberlist.Memberlist
	transport *transport
	keys      *keys // nil without a key file
	lines     *lines
	intake    *intake
	table     *table
	peers     peers
	strangers *inbox // messages of authors that are no members
	ready     *readiness
	relay     *relay
	repair    *repair
	server    *server
	seeker    *seeker
	limit     *limiter // of log lines
	counters  counters
	figures   figures // of memberlist
	labels    []gometrics.Label
	crew      crew
	fatal     chan error // one slot: ends Run

	tag     atomic.Uint32
	leaving atomic.Bool
	retell  chan struct{} // one slot: the meta has changed
	telling chan struct{} // one slot, full while memberlist is told the meta

	claimMu sync.Mutex // held for the time of one operation on memory
	claim   claim
}

// New checks the configuration, reads the key file and listens. What arrives before
// [Node.Run] is not answered. A node that is not run has to be closed.
func New(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	n := newNode(cfg)
	if cfg.KeyFile != "" {
		k, err := openKeys(cfg.KeyFile, cfg.Log)
		if err != nil {
			return nil, fmt.Errorf("gossip: %w", err)
		}
		n.keys = k
	}
	known, err := openKnown(cfg.PeersFile, cfg.Log, time.Now())
	if err != nil {
		return nil, fmt.Errorf("gossip: peers file: %w", err)
	}
	n.seeker = newSeeker(n, known)
	if err := n.open(); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	return n, nil
}

// newNode returns a node that has opened nothing.
func newNode(cfg Config) *Node {
	n := &Node{
		cfg: cfg, log: cfg.Log, state: cfg.State, author: cfg.State.Author(),
		intake: newIntake(cfg.Name), table: newTable(cfg.Name),
		strangers: newInbox(), ready: newReadiness(),
		limit:  newLimiter(1),
		fatal:  make(chan error, 1),
		retell: make(chan struct{}, 1), telling: make(chan struct{}, 1),
	}
	n.lines = newLines(cfg.Log, n.intake)
	n.relay, n.repair, n.server = newRelay(n), newRepair(n), newServer(n)
	n.tag.Store(uint32(cfg.Tag))
	return n
}

// open listens and creates memberlist.
func (n *Node) open() error {
	bind, err := n.bind()
	if err != nil {
		return err
	}
	n.transport = newTransport(bind.transport)
	n.labels = theSink.add(&n.figures)
	list, err := memberlist.Create(n.memberlistConfig(bind))
	if err != nil {
		theSink.remove(n.labels)
		return errors.Join(err, n.transport.Shutdown())
	}
	n.list = list
	n.addr = list.LocalNode().Address()
	if n.keys == nil && !bind.loopback {
		n.log.Warn("gossip is not encrypted: who reaches the port can read and write", "addr", n.addr)
	}
	return nil
}

// memberlistConfig returns memberlist's settings: those for a local network, with the
// delegates, and without compression, which costs more than it saves.
func (n *Node) memberlistConfig(b binding) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label = n.cfg.Name, n.cfg.Cluster
	c.Transport = n.transport
	c.BindAddr, c.BindPort = b.host, b.port
	c.AdvertiseAddr, c.AdvertisePort = b.advertiseHost, b.advertisePort
	c.EnableCompression = false
	c.HandoffQueueDepth = handoffDepth
	c.DeadNodeReclaimTime = reclaimAfter
	c.Delegate = delegate{n}
	c.Events, c.Alive, c.Conflict, c.Ping = n.intake, n.intake, n.intake, n.intake
	c.Logger = n.lines.logger()
	c.MetricLabels = n.labels
	if n.keys != nil {
		c.Keyring = n.keys.ring
	}
	return c
}

// Addr returns the address the others reach this node at, HOST:PORT.
func (n *Node) Addr() string { return n.addr }

// Members returns all members, own node included, sorted by name. Those that died or
// left are among them for some minutes.
func (n *Node) Members() []Member { return n.table.list() }

// SetTag changes the tag that the others see for this node, and tells them.
func (n *Node) SetTag(tag uint8) {
	n.tag.Store(uint32(tag))
	fill(n.retell)
}

// meta returns what this node tells about itself.
func (n *Node) meta() meta {
	return meta{
		author: n.author, tag: uint8(n.tag.Load()),
		leaving: n.leaving.Load(), urls: n.cfg.ClientURLs,
	}
}

// Run joins the cluster and replicates until the context ends, and then leaves, in about
// two seconds. It returns nil then. Earlier it returns only with [ErrNameTaken]. A node
// runs once.
func (n *Node) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	n.ready.start(time.Now())
	if len(n.cfg.Seeds) == 0 && n.seeker.known.isEmpty() {
		n.becomeReady("there are no seeds")
	}
	if !n.crew.open(inner) {
		return errors.New("gossip: the node has run or is closed")
	}
	for _, task := range n.tasks() {
		n.crew.run(task)
	}
	var err error
	select {
	case <-ctx.Done():
		n.leave()
	case err = <-n.fatal: // without leaving: that would be in the other's name
	}
	n.lines.quiet.Store(true)
	n.crew.close()
	cancel()
	err = errors.Join(err, n.list.Shutdown())
	n.crew.wait()
	theSink.remove(n.labels)
	n.seeker.known.save()
	return err
}

// tasks returns what runs as long as the node.
func (n *Node) tasks() []func(context.Context) {
	tasks := []func(context.Context){
		n.follow, n.passNews, n.tellMeta, n.relay.run, n.repair.run, n.seeker.run,
		func(ctx context.Context) { n.strangers.run(ctx, nil, n.handle) },
	}
	if n.keys != nil {
		tasks = append(tasks, func(ctx context.Context) { n.keys.run(ctx, n.cfg.KeyInterval) })
	}
	return tasks
}

// leave tells the others that this node goes.
func (n *Node) leave() {
	n.leaving.Store(true)
	n.tell()
	if err := n.list.Leave(leaveTimeout - tellTimeout); err != nil {
		n.log.Debug("left without an answer", "error", err)
	}
}

// Close ends a node that is not run. After Run it does nothing.
func (n *Node) Close() error {
	n.crew.close()
	n.lines.quiet.Store(true)
	defer theSink.remove(n.labels)
	return n.list.Shutdown()
}

// fail ends Run with an error.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

// tell lets memberlist tell the others the present meta.
func (n *Node) tell() {
	n.telling <- struct{}{} // a channel and not a mutex: it is held for a while
	defer func() { <-n.telling }()
	if err := n.list.UpdateNode(tellTimeout); err != nil {
		n.log.Debug("meta is on its way still", "error", err)
	}
}

// tellMeta tells the others each new meta.
func (n *Node) tellMeta(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.retell:
			if !n.leaving.Load() {
				n.tell()
			}
		}
	}
}

// passNews wakes all who send when the state has news.
func (n *Node) passNews(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.state.News():
			n.news()
		}
	}
}

// news wakes all who send.
func (n *Node) news() {
	for _, p := range n.peers.list() {
		fill(p.wake)
	}
	if !n.peers.isDirect() {
		fill(n.relay.news)
	}
}

// oops logs an error that should not be, once a minute.
func (n *Node) oops(what string, err error) {
	if held, ok := n.limit.pass(what, time.Now()); ok {
		n.log.Error("gossip goes on after an error", "what", what, "error", err, "suppressed", held)
	}
}
