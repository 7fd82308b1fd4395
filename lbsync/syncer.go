package lbsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"

	"golang.org/x/sync/errgroup"
)

// ErrNoServers is what Once returns when a target has no server at all: nothing is written then.
var ErrNoServers = errors.New("no servers in the registry, nothing written")

// Options are what a Syncer needs besides its configuration.
type Options struct {
	// Targets are the files to keep, made from the configuration by the drivers' packages. At least one.
	Targets []Target
	// Source is the registry; nil means the configuration's endpoints.
	Source Source
	// Resolver looks up host names; nil means the system's.
	Resolver Resolver
	// Timing holds the delays; the zero value means the defaults.
	Timing Timing
	// Logger is nil to discard.
	Logger *slog.Logger
}

// A Syncer keeps targets in step with the registry.
type Syncer struct {
	services []*service // sorted by name
	targets  []*target
}

// New makes a Syncer. It starts nothing and touches no file.
func New(cfg *Config, o Options) (*Syncer, error) {
	o, err := o.withDefaults(cfg)
	if err != nil {
		return nil, err
	}
	s := &Syncer{}
	byName := map[string]*service{}
	for _, name := range slices.Sorted(maps.Keys(cfg.Services)) {
		byName[name] = newService(name, cfg.Services[name], o)
		s.services = append(s.services, byName[name])
	}
	for _, conf := range o.Targets {
		var services []*service
		for _, name := range conf.Services {
			if byName[name] == nil {
				return nil, fmt.Errorf("target %s: unknown service %q", conf.Config, name)
			}
			services = append(services, byName[name])
		}
		s.targets = append(s.targets, newTarget(conf, services, o))
	}
	return s, nil
}

func (o Options) withDefaults(cfg *Config) (Options, error) {
	if len(o.Targets) == 0 {
		return o, errors.New("lbsync: no targets")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	o.Timing = o.Timing.withDefaults()
	if o.Source != nil {
		return o, nil
	}
	source, err := NewRegistrySource(cfg.Endpoints, o.Logger)
	o.Source = source
	return o, err
}

// Run keeps the targets in step until ctx ends, and returns nil then. A round under way is finished first: its commands
// are bounded in time. Trouble with the registry or with a balancer is logged, counted and tried again.
func (s *Syncer) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, t := range s.targets {
		t.start()
		group.Go(func() error { t.run(ctx); return nil })
	}
	for _, svc := range s.services {
		group.Go(func() error { svc.follow(ctx); return nil })
	}
	return group.Wait()
}

// Once lists every prefix once, brings every target to the result and returns what went wrong, ErrNoServers included.
// One service's or target's trouble does not keep the others back.
func (s *Syncer) Once(ctx context.Context) error {
	var errs []error
	for _, t := range s.targets {
		t.start()
	}
	for _, svc := range s.services {
		if _, err := svc.list(ctx); err != nil {
			svc.failed(err)
			errs = append(errs, err)
		}
	}
	for _, t := range s.targets {
		errs = append(errs, t.once(ctx))
	}
	return errors.Join(append(errs, ctx.Err())...)
}
