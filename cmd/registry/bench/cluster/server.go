package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// startTimeout is generous: etcd elects a leader and syncs its log first, on a disk that others use too.
	startTimeout = time.Minute
	// stopTimeout is what a server gets after SIGTERM, before it is killed.
	stopTimeout = 10 * time.Second
	// readyPoll is how often a starting server is asked whether it is ready.
	readyPoll = 20 * time.Millisecond
)

// A site is what one server has for itself.
type site struct {
	name   string
	dir    string // empty data directory
	client string // host:port for clients
	peer   string // host:port for the other nodes
	pprof  string // host:port for profiles
	ns     string // network namespace; empty is our own
}

// A server is a running process that answers requests.
type server struct {
	site

	ready string // path that answers 200 once it is ready
	proc  process
	cmd   *exec.Cmd
	log   string        // path of what it says
	done  chan struct{} // closed when the process has ended
}

// newSite makes an empty directory and finds free ports.
func (b *bench) newSite(ctx context.Context, name string) (site, error) {
	dir, err := os.MkdirTemp(b.work, name+"-")
	if err != nil {
		return site{}, err
	}
	s := site{name: name, dir: dir}
	for _, addr := range []*string{&s.client, &s.peer, &s.pprof} {
		if *addr, err = ports.FreeAddr(ctx); err != nil {
			return site{}, err
		}
	}
	return s, nil
}

// launch starts a process. It does not wait until it is ready.
func launch(ctx context.Context, s site, ready string, argv []string) (*server, error) {
	if s.ns != "" {
		argv = append([]string{"ip", "netns", "exec", s.ns}, argv...)
	}
	output, err := os.Create(filepath.Clean(s.dir) + ".log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	started := &server{
		site: s, ready: ready, proc: process(cmd.Process.Pid), cmd: cmd, log: output.Name(), done: make(chan struct{}),
	}
	go func() {
		defer close(started.done)
		_ = cmd.Wait() // What matters of its end is in its log, which waitReady quotes.
	}()
	return started, nil
}

// waitReady asks the server until it says that it is ready.
func (s *server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("it did not become ready in time"))
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if _, err := s.get(ctx, s.ready); err == nil {
			return nil
		}
		var err error
		select {
		case <-s.done:
			err = errors.New("it ended")
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-tick.C:
			continue
		}
		return fmt.Errorf("start %s: %w; it said: %s", s.name, err, kit.Tail(s.log))
	}
}

// stop ends the process, kindly first, and removes its data.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // It may have ended by itself.
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	_ = os.RemoveAll(s.dir) // The whole directory of the run goes at its end.
}
