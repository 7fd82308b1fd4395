package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// service is the name of the pool.
	service = "frontends"
	// convergeTimeout is for balancers to take a pool, the first one included.
	convergeTimeout = 15 * time.Second
)

// A rig is a registry, an HAProxy and an nginx, and an lbsync that keeps them.
type rig struct {
	dir      string
	registry *registry
	haproxy  *haproxy
	nginx    *nginx
	lbsync   *process
	listen   string // lbsync's metrics
	witness  *witness
	hosts    []*host // those with a server of their own
	stops    []func()
}

// A setting is what a rig has at its start.
type setting struct {
	name  string
	addrs []string      // registered hosts
	ttl   time.Duration // of their leases; 0 is for good
	port  uint16        // when given, one server answers for this port of all addresses; else each host has its own
}

// newRig starts all of it, and returns when both balancers have the hosts.
func (b *bench) newRig(ctx context.Context, s setting) (*rig, error) {
	r := &rig{dir: filepath.Join(b.work, s.name), witness: newWitness()}
	if err := r.start(ctx, b, s); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// start begins with the hosts: a balancer's checks must find them.
func (r *rig) start(ctx context.Context, b *bench, s setting) error {
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return err
	}
	if err := r.openHosts(ctx, s); err != nil {
		return err
	}
	var err error
	if r.registry, err = b.startRegistry(ctx, r.dir); err != nil {
		return err
	}
	r.onStop(r.registry.stop)
	if err := r.registry.putAll(ctx, s.addrs, s.ttl); err != nil {
		return err
	}
	if r.haproxy, r.nginx, err = r.startBalancers(ctx, b, "ours", true, s.addrs); err != nil {
		return err
	}
	if err := r.startLbsync(ctx, b); err != nil {
		return err
	}
	return r.converge(ctx, s.addrs)
}

func (r *rig) openHosts(ctx context.Context, s setting) error {
	if s.port != 0 {
		stop, err := r.witness.crowd(ctx, s.port)
		if err == nil {
			r.onStop(stop)
		}
		return err
	}
	for _, addr := range s.addrs {
		h, err := r.witness.newHost(ctx, addr)
		if err != nil {
			return err
		}
		r.onStop(h.close)
		r.hosts = append(r.hosts, h)
	}
	return nil
}

// startBalancers starts an HAProxy and an nginx, each in a directory of its own. Only those that lbsync keeps have
// what it needs to ask them.
func (r *rig) startBalancers(ctx context.Context, b *bench, name string, ours bool, hosts []string) (h *haproxy, n *nginx, err error) {
	dirs := []string{filepath.Join(r.dir, name+"-h"), filepath.Join(r.dir, name+"-n")}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, nil, err
		}
	}
	if h, err = b.startHAProxy(ctx, dirs[0], ours, hosts); err != nil {
		return nil, nil, err
	}
	r.onStop(h.stop)
	if n, err = b.startNginx(ctx, dirs[1], ours, hosts); err != nil {
		return nil, nil, err
	}
	r.onStop(n.stop)
	return h, n, nil
}

func (r *rig) startLbsync(ctx context.Context, b *bench) error {
	listen, err := ports.FreeAddr(ctx)
	if err != nil {
		return err
	}
	r.listen = listen
	conf := filepath.Join(r.dir, "lbsync.yaml")
	text := fmt.Sprintf("endpoints: [%q]\nstate_dir: %q\nlisten: %q\nservices:\n  %s: {prefix: %s, port: 8080}\n",
		r.registry.url, filepath.Join(r.dir, "state"), listen, service, prefix)
	if err := os.WriteFile(conf, []byte(text+r.haproxy.yaml()+r.nginx.yaml()), 0o644); err != nil {
		return err
	}
	r.lbsync, err = launch(ctx, "lbsync", filepath.Join(r.dir, "lbsync.log"),
		b.registry, "lbsync", "--config", conf, "--log-format", "text", "--log-level", "debug")
	if err == nil {
		r.onStop(r.lbsync.stop)
	}
	return err
}

func (r *rig) onStop(f func()) { r.stops = append(r.stops, f) }

// stop ends all processes, the last one first.
func (r *rig) stop() {
	for _, f := range slices.Backward(r.stops) {
		f()
	}
}

// converge waits until both balancers run exactly these hosts.
func (r *rig) converge(ctx context.Context, hosts []string) error {
	for name, pool := range map[string]func(context.Context) (map[string]bool, error){"HAProxy": r.haproxy.pool, "nginx": r.nginx.pool} {
		err := pollUntil(ctx, 20*time.Millisecond, convergeTimeout, "the pool in "+name, func() (bool, error) {
			got, err := pool(ctx)
			return err == nil && holds(got, hosts), err
		})
		if err != nil {
			return fmt.Errorf("%w; lbsync said: %s", err, kit.Tail(r.lbsync.log))
		}
	}
	return nil
}

func holds(pool map[string]bool, hosts []string) bool {
	for _, h := range hosts {
		if !pool[h] {
			return false
		}
	}
	return len(pool) == len(hosts)
}

// render has a driver write the file for some hosts.
func render(target lbsync.Target, hosts []string) ([]byte, error) {
	pool := lbsync.Pool{Name: service}
	for _, h := range hosts {
		addr, err := netip.ParseAddrPort(h)
		if err != nil {
			return nil, err
		}
		pool.Servers = append(pool.Servers, lbsync.Server{Addr: addr, Weight: lbsync.DefaultWeight, State: lbsync.Up})
	}
	slices.SortFunc(pool.Servers, func(a, b lbsync.Server) int { return a.Addr.Compare(b.Addr) })
	return target.Driver.Render([]lbsync.Pool{pool})
}

// list writes a command as YAML does: JSON is YAML.
func list(command lbsync.Command) string {
	text, err := json.Marshal(command)
	if err != nil {
		panic("bench: a list of texts always has a JSON form: " + err.Error())
	}
	return string(text)
}
