package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

// Names of the clusters, as the report shows them.
const (
	nameRegistry = "registry"
	nameEtcd     = "etcd"
)

// A cluster is some servers that replicate to each other.
type cluster struct {
	name    string
	servers []*server
}

// startRegistry starts three nodes at once and waits until all are ready and know each other.
func (b *bench) startRegistry(ctx context.Context) (*cluster, error) {
	sites, err := b.newSites(ctx)
	if err != nil {
		return nil, err
	}
	return b.startRegistryAt(ctx, sites)
}

func (b *bench) startRegistryAt(ctx context.Context, sites []site) (*cluster, error) {
	c := &cluster{name: nameRegistry}
	for _, s := range sites {
		started, err := b.launchRegistry(ctx, s, sites)
		if err != nil {
			c.stop()
			return nil, err
		}
		c.servers = append(c.servers, started)
	}
	err := c.waitReady(ctx)
	if err == nil {
		err = c.waitMembers(ctx, len(sites))
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// launchRegistry starts one node that joins the others.
func (b *bench) launchRegistry(ctx context.Context, s site, others []site) (*server, error) {
	argv := []string{
		b.registry, "serve", "--name", s.name, "--data-dir", s.dir, "--listen", s.client, "--gossip-listen", s.peer,
		"--join", strings.Join(peersOf(others), ","), "--cluster", clusterName,
	}
	if b.profile != "" {
		argv = append(argv, "--debug-listen", s.pprof)
	}
	return launch(ctx, s, "/readyz", argv)
}

// clusterName keeps nodes of other benchmarks and tests on this machine out.
const clusterName = "rollcall-cluster-bench"

// startEtcd starts three nodes of etcd with its default settings, data on disk. The first server is the leader.
func (b *bench) startEtcd(ctx context.Context) (*cluster, error) {
	sites, err := b.newSites(ctx)
	if err != nil {
		return nil, err
	}
	var members []string
	for _, s := range sites {
		members = append(members, s.name+"=http://"+s.peer)
	}
	c := &cluster{name: nameEtcd}
	for _, s := range sites {
		client, peer := "http://"+s.client, "http://"+s.peer
		started, err := launch(ctx, s, "/health", []string{
			b.etcd, "--enable-v2", "--name", s.name, "--data-dir", s.dir,
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(members, ","), "--initial-cluster-token", clusterName,
			"--logger", "zap", "--log-level", "error",
		})
		if err != nil {
			c.stop()
			return nil, err
		}
		c.servers = append(c.servers, started)
	}
	err = c.waitReady(ctx)
	if err == nil {
		err = c.leaderFirst(ctx)
	}
	if err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (b *bench) newSites(ctx context.Context) ([]site, error) {
	var sites []site
	for i := range nodes {
		s, err := b.newSite(ctx, fmt.Sprintf("n%d", i+1))
		if err != nil {
			return nil, err
		}
		sites = append(sites, s)
	}
	return sites, nil
}

func peersOf(sites []site) []string {
	var peers []string
	for _, s := range sites {
		peers = append(peers, s.peer)
	}
	return peers
}

// writer is the server that takes all changes where one does.
func (c *cluster) writer() *server { return c.servers[0] }

// others are those that learn of them.
func (c *cluster) others() []*server { return c.servers[1:] }

func (c *cluster) waitReady(ctx context.Context) error {
	for _, s := range c.servers {
		if err := s.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// waitMembers waits until each registry node sees as many live members.
func (c *cluster) waitMembers(ctx context.Context, members int) error {
	return c.waitMetric(ctx, `rollcall_gossip_members{status="alive"}`, float64(members))
}

// waitMetric waits until a metric has the same value on all nodes.
func (c *cluster) waitMetric(ctx context.Context, name string, want float64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("%s is not %g everywhere", name, want))
	defer cancel()
	for {
		have, err := c.each(ctx, name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(have, func(v float64) bool { return v != want }) {
			return nil
		}
		if err := kit.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// each reads a metric of all nodes.
func (c *cluster) each(ctx context.Context, name string) ([]float64, error) {
	var values []float64
	for _, s := range c.servers {
		v, err := s.metric(ctx, name)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// sum adds up a metric over all nodes.
func (c *cluster) sum(ctx context.Context, name string) (float64, error) {
	values, err := c.each(ctx, name)
	var total float64
	for _, v := range values {
		total += v
	}
	return total, err
}

// leaderFirst sorts etcd's leader to the front: what it takes need not be passed on to it first.
func (c *cluster) leaderFirst(ctx context.Context) error {
	for i, s := range c.servers {
		body, err := s.get(ctx, "/v2/stats/self")
		if err != nil {
			return err
		}
		if strings.Contains(string(body), `"StateLeader"`) {
			c.servers[0], c.servers[i] = c.servers[i], c.servers[0]
			return nil
		}
	}
	return errors.New("etcd has no leader")
}

// stop ends all servers, the last one first.
func (c *cluster) stop() {
	for _, s := range slices.Backward(c.servers) {
		s.stop()
	}
}

// startBoth starts both clusters; they take turns.
func (b *bench) startBoth(ctx context.Context) ([]*cluster, func(), error) {
	ours, err := b.startRegistry(ctx)
	if err != nil {
		return nil, nil, err
	}
	theirs, err := b.startEtcd(ctx)
	if err != nil {
		ours.stop()
		return nil, nil, err
	}
	return []*cluster{ours, theirs}, func() { theirs.stop(); ours.stop() }, nil
}
