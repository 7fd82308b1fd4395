package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// startTimeout is generous: etcd elects itself and syncs its log first, on a disk that others use too.
	startTimeout = 30 * time.Second
	// stopTimeout is what a server gets after SIGTERM, before it is killed.
	stopTimeout = 10 * time.Second
)

// Names of the servers, as the report shows them.
const (
	nameRegistry  = "registry"
	nameEtcd      = "etcd"
	nameEtcdTmpfs = "etcd on tmpfs"
	nameEtcdShort = "etcd, short log"
	nameBare      = "bare chi"

	nameMemoryOnly = "registry, memory only"
)

// A launcher knows how to start one of the servers as a process of its own.
type launcher struct {
	name   string
	parent string // where its data directory is made
	argv   func(site site) []string
}

// A site is what one start of a server has for itself.
type site struct {
	dir   string // empty data directory
	addr  string // host:port for clients
	extra string // host:port for whatever else it listens on: peers, gossip
	pprof string // host:port for profiles
}

// A server is a running process that answers requests.
type server struct {
	name  string
	url   string // http://host:port
	pprof string // host:port of its profiles, if it was started with them
	proc  process

	cmd  *exec.Cmd
	dir  string
	done chan struct{} // closed when the process has ended
}

func (b *bench) registryLauncher() launcher {
	return launcher{nameRegistry, b.work, func(s site) []string {
		argv := []string{
			b.registry, "serve", "--name", "bench", "--data-dir", s.dir, "--listen", s.addr, "--gossip-listen", s.extra,
		}
		if b.profile != "" {
			argv = append(argv, "--debug-listen", s.pprof)
		}
		return argv
	}}
}

// memoryOnlyLauncher is the registry without a data directory.
func (b *bench) memoryOnlyLauncher() launcher {
	return launcher{nameMemoryOnly, b.work, func(s site) []string {
		return []string{b.registry, "serve", "--name", "bench", "--listen", s.addr, "--gossip-listen", s.extra}
	}}
}

// etcdLauncher starts etcd with its default settings, on a data directory below parent.
func (b *bench) etcdLauncher(name, parent string, flags ...string) launcher {
	return launcher{name, parent, func(s site) []string {
		client, peer := "http://"+s.addr, "http://"+s.extra
		return append([]string{
			b.etcd, "--enable-v2", "--name", "bench", "--data-dir", s.dir,
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "bench=" + peer,
			"--logger", "zap", "--log-level", "error",
		}, flags...)
	}}
}

// etcdLaunchers are etcd on disk and, unless left out, etcd in memory.
func (b *bench) etcdLaunchers() []launcher {
	all := []launcher{b.etcdLauncher(nameEtcd, b.work)}
	if b.tmpWork != "" {
		all = append(all, b.etcdLauncher(nameEtcdTmpfs, b.tmpWork))
	}
	return all
}

// start runs the server and returns once it answers.
func (l launcher) start(ctx context.Context) (*server, error) {
	site, err := newSite(ctx, l.parent)
	if err != nil {
		return nil, err
	}
	return l.startAt(ctx, site)
}

// startAt runs the server on a site that may hold what a former run of it has left.
func (l launcher) startAt(ctx context.Context, site site) (*server, error) {
	argv := l.argv(site)
	output, err := os.Create(filepath.Join(site.dir, "..", filepath.Base(site.dir)+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.name, err)
	}
	s := &server{
		name: l.name, url: "http://" + site.addr, pprof: site.pprof, proc: process(cmd.Process.Pid),
		cmd: cmd, dir: site.dir, done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // What matters of its end is in its log, which waitReady quotes.
	}()
	if err := s.waitReady(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("start %s: %w; it said: %s", l.name, err, kit.Tail(output.Name()))
	}
	return s, nil
}

// newSite makes an empty directory and asks the kernel for free ports.
func newSite(ctx context.Context, parent string) (site, error) {
	dir, err := os.MkdirTemp(parent, "server-")
	if err != nil {
		return site{}, err
	}
	s := site{dir: dir}
	for _, addr := range []*string{&s.addr, &s.extra, &s.pprof} {
		// All are held open until the end, so that they differ.
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return site{}, err
		}
		defer func() { _ = l.Close() }()
		*addr = l.Addr().String()
	}
	return s, nil
}

// waitReady polls /health, which each of the servers has.
func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("it did not become ready in time"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.healthy(ctx) {
			return nil
		}
		select {
		case <-s.done:
			return errors.New("it ended")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (s *server) healthy(ctx context.Context) bool {
	resp, err := get(ctx, s.url+"/health")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// stop ends the process, kindly first, and removes its data.
func (s *server) stop() {
	s.end()
	_ = os.RemoveAll(s.dir) // The whole directory of the run goes at its end.
}

// end ends the process, kindly first.
func (s *server) end() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // It may have ended by itself.
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// A fleet is a set of servers that run at the same time.
type fleet []*server

// add starts one more server.
func (f *fleet) add(ctx context.Context, l launcher) (*server, error) {
	s, err := l.start(ctx)
	if err == nil {
		*f = append(*f, s)
	}
	return s, err
}

// stop ends all servers, the last one first.
func (f *fleet) stop() {
	for _, s := range slices.Backward(*f) {
		s.stop()
	}
}
