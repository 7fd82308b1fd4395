package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/haproxy"
)

// demoService is the name of the demo's pool.
const demoService = "frontends"

// startSyncer starts lbsync with one target.
func startSyncer(ctx context.Context, parts *parts, target lbsync.Target, registry string, opts lbsync.Options) error {
	opts.Targets = []lbsync.Target{target}
	s, err := lbsync.New(&lbsync.Config{
		Endpoints: []string{registry},
		Services:  map[string]lbsync.Service{demoService: {Prefix: demoPrefix}},
	}, opts)
	if err != nil {
		return err
	}
	parts.start(ctx, s.Run)
	return nil
}

// preview stands in for a balancer that is not installed: a driver that renders, accepts nothing, and so never has a
// file written. It keeps what it was shown.
type preview struct {
	lbsync.Driver
	mu    sync.Mutex
	text  string
	first chan struct{} // closed when there is a text
}

var errNoBalancer = errors.New("no HAProxy to check the file")

func newPreview() *preview {
	return &preview{first: make(chan struct{})}
}

// follow starts lbsync and returns when it has rendered its first configuration.
func (p *preview) follow(ctx context.Context, parts *parts, dir string, d *demo, registry string) error {
	target, err := haproxy.NewTarget(lbsync.HAProxy{
		Config: filepath.Join(dir, "haproxy.cfg"), Bind: d.balance, Services: []string{demoService},
	}, haproxy.Options{RunAs: haproxy.DefaultRunAs()})
	if err != nil {
		return err
	}
	p.Driver, target.Driver = target.Driver, p
	// Its logger is silent: that the check fails is no news here.
	if err := startSyncer(ctx, parts, target, registry, lbsync.Options{Timing: lbsync.Timing{RetryMax: time.Second}}); err != nil {
		return err
	}
	if err := parts.waitFor(ctx, p.first); err != nil {
		return fmt.Errorf("lbsync: %w", err)
	}
	return nil
}

// CheckCandidate keeps the file's text and refuses it.
func (p *preview) CheckCandidate(_ context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text == "" {
		close(p.first)
	}
	p.text = string(text)
	return errNoBalancer
}

func (p *preview) latest() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text
}
