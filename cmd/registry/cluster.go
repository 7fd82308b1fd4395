package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/spf13/pflag"

	"rollcall/gossip"
	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// gossipConfig configures replication.
type gossipConfig struct {
	listen    string   // HOST:PORT for other nodes
	advertise string   // HOST:PORT under which they reach this node, "" for that of listen
	join      []string // HOST:PORT of other nodes
	keyFile   string   // "" for no encryption
	cluster   string   // nodes of another cluster are kept out

	transport memberlist.NodeAwareTransport // tests; nil is the network
}

// defaultGossipListen is where a node listens that joins others and is told nothing else.
const defaultGossipListen = "127.0.0.1:7946"

// rejoinInterval is the longest time between two attempts to find seeds and former peers:
// it and a round of repair are how long nodes take to be equal again after a partition.
const rejoinInterval = 4 * time.Second

// defaultCluster is the name of a cluster that is given none.
const defaultCluster = "rollcall"

func (c *gossipConfig) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.listen, "gossip-listen", "", "HOST:PORT for other nodes, TCP and UDP (default "+defaultGossipListen+" with --join, else none)")
	flags.StringVar(&c.advertise, "gossip-advertise", "", "HOST:PORT under which other nodes reach this one (default made from --gossip-listen)")
	flags.StringSliceVar(&c.join, "join", nil, "HOST:PORT[,HOST:PORT] of other nodes; a name may have many addresses, nodes need not be up yet")
	flags.StringVar(&c.keyFile, "gossip-key-file", "", "file with the keys for gossip: base64 of 16, 24 or 32 bytes, one a line, the first is used; reloaded when it changes (default none: gossip is not encrypted)")
	flags.StringVar(&c.cluster, "cluster", defaultCluster, "name of the cluster; nodes of another are kept out")
}

// isOn tells whether the node replicates at all.
func (c *gossipConfig) isOn() bool { return len(c.join) > 0 || c.listen != "" }

// validate refuses addresses that cannot be, and flags without effect.
func (c *gossipConfig) validate() error {
	if c.cluster == "" {
		c.cluster = defaultCluster
	}
	if !c.isOn() {
		if flag := cmp.Or(given("--gossip-key-file", c.keyFile), given("--gossip-advertise", c.advertise)); flag != "" {
			return fmt.Errorf("%s: has no effect without --join or --gossip-listen", flag)
		}
		return nil
	}
	c.listen = cmp.Or(c.listen, defaultGossipListen)
	if err := cmp.Or(checkHostPort("--gossip-listen", c.listen), checkHostPort("--gossip-advertise", c.advertise)); err != nil {
		return err
	}
	for _, seed := range c.join {
		if seed == "" {
			return errors.New("--join: an address is empty")
		}
		if err := checkHostPort("--join", seed); err != nil {
			return err
		}
	}
	return nil
}

func given(flag, value string) string {
	if value == "" {
		return ""
	}
	return flag
}

// checkHostPort refuses what is no HOST:PORT; an empty address is none.
func checkHostPort(flag, addr string) error {
	if addr == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

// cluster is a node's part in replication: it joins the store and the gossip.
type cluster struct {
	store  *registry.Store
	gossip *gossip.Node
	data   *data // nil without a data directory
	log    *slog.Logger
}

// newCluster binds the port for the other nodes.
func newCluster(cfg nodeConfig, store *registry.Store, data *data, log *slog.Logger) (*cluster, error) {
	c := &cluster{store: store, data: data, log: log}
	g := gossip.Config{
		Name: cfg.name, Cluster: cfg.gossip.cluster, Listen: cfg.gossip.listen, Advertise: cfg.gossip.advertise,
		Seeds: cfg.gossip.join, KeyFile: cfg.gossip.keyFile, ClientURLs: cfg.advertise, Tag: uint8(store.Tag()),
		RejoinInterval: rejoinInterval, State: store, Log: log, OnMembers: c.onMembers, Transport: cfg.gossip.transport,
	}
	if data != nil {
		g.PeersFile = filepath.Join(data.dir, "peers")
		g.NeedsPeer = data.isResyncing()
	}
	var err error
	if c.gossip, err = gossip.New(g); err != nil {
		return nil, err
	}
	return c, nil
}

// run replicates until the context ends. When it ends by itself the node must stop, too.
func (c *cluster) run(ctx context.Context, stop func()) error {
	defer stop()
	return c.gossip.Run(ctx)
}

// serve shows the cluster to clients, and refuses them as long as there is only half of it.
func (c *cluster) serve(o *httpapi.Options) {
	o.PeerURLs = []string{"http://" + c.gossip.Addr()}
	o.Members = c.others
	o.Refuse = c.gossip.Ready
	o.Ready = append(o.Ready, httpapi.Check{Name: "sync", Fail: c.gossip.Ready})
}

// others returns the other nodes that are alive.
func (c *cluster) others() []httpapi.Member {
	var others []httpapi.Member
	for _, m := range c.gossip.Members() {
		if !m.Self && (m.Status == gossip.Alive || m.Status == gossip.Suspect) {
			others = append(others, httpapi.Member{Name: m.Name, ClientURLs: m.ClientURLs, PeerURLs: []string{"http://" + m.Addr}})
		}
	}
	return others
}

// onMembers keeps the tags of the nodes' indexes apart: of two with the same the younger
// takes a larger one. Where there is none left, clients that change between these two
// nodes are not told to list again.
func (c *cluster) onMembers(members []gossip.Member) {
	taken := make(map[uint64]bool)
	clash := false
	for _, m := range members {
		if m.Self || m.Status == gossip.Dead || m.Status == gossip.Left {
			continue
		}
		taken[uint64(m.Tag)] = true
		clash = clash || uint64(m.Tag) == c.store.Tag() && m.Author < c.store.Author()
	}
	if !clash {
		return
	}
	for tag := c.store.Tag() + 1; tag <= registry.MaxTag; tag++ {
		if !taken[tag] && c.store.SetTag(tag) {
			c.gossip.SetTag(uint8(tag))
			c.data.raise(c.store.Index())
			c.log.Info("the tag of this node's indexes has changed, since an older node has the same", "tag", tag)
			return
		}
	}
	c.log.Warn("no tag is left for this node's indexes; a client that changes nodes may miss that it must list again", "tag", c.store.Tag())
}

// close releases the port of a cluster that never ran.
func (c *cluster) close() {
	if err := c.gossip.Close(); err != nil {
		c.log.Warn("gossip port not closed", "error", err)
	}
}
