package lbsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"
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
	// Timing holds the delays; a zero field means the configuration's, else the default.
	Timing Timing
	// StateDir is where the last good state is kept; empty means the configuration's.
	StateDir string
	// IndexTime tells when the registry made the change of an index, as far as the index tells; nil means that it does
	// not, and that a change counts from when it arrives.
	IndexTime func(index uint64) time.Time
	// Logger is nil to discard.
	Logger *slog.Logger

	prober  *prober
	changed chan struct{} // one slot: what a target serves has changed
}

// A Syncer keeps targets in step with the registry.
type Syncer struct {
	name     string
	services []*service // sorted by name
	targets  []*target
	reporter *reporter // nil: no reports
}

// New makes a Syncer. It starts nothing and touches no file.
func New(cfg *Config, o Options) (*Syncer, error) {
	o, err := o.withDefaults(cfg)
	if err != nil {
		return nil, err
	}
	s := &Syncer{name: instanceName(cfg)}
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
	if cfg.Report != ReportNone {
		s.reporter = &reporter{
			source: o.Source, root: cmp.Or(cfg.Report, DefaultReport), name: s.name, targets: s.targets,
			changed: o.changed, log: o.Logger, latest: map[string]sentReport{},
		}
	}
	return s, nil
}

// instanceName is the configured name, or the host's in the characters that a key may have.
func instanceName(cfg *Config) string {
	if cfg.Name != "" {
		return cfg.Name
	}
	host, err := os.Hostname()
	if err != nil || checkKey(host) != nil {
		return "lbsync"
	}
	return host
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
	if o.Timing == (Timing{}) {
		o.Timing = cfg.Timing.timing()
	}
	if o.IndexTime == nil {
		o.IndexTime = func(uint64) time.Time { return time.Now() }
	}
	o.Timing = o.Timing.withDefaults()
	o.StateDir = cmp.Or(o.StateDir, cfg.StateDir)
	o.prober, o.changed = newProber((&net.Dialer{}).DialContext), make(chan struct{}, 1)
	if o.Source != nil {
		return o, nil
	}
	source, err := configured(cfg, o.Logger)
	o.Source = source
	return o, err
}

// start takes the targets' files, each for this process alone.
func (s *Syncer) start() (release func(), err error) {
	var releases []func()
	release = func() {
		for _, r := range releases {
			r()
		}
	}
	for _, t := range s.targets {
		r, err := t.start()
		if err != nil {
			release()
			return nil, err
		}
		releases = append(releases, r)
	}
	return release, nil
}

// Run keeps the targets in step until ctx ends, and returns nil then, or at once [ErrLocked]. A round under way is
// finished first: its commands are bounded in time. Trouble with the registry or with a balancer is logged, counted and
// tried again.
func (s *Syncer) Run(ctx context.Context) error {
	release, err := s.start()
	if err != nil {
		return err
	}
	defer release()
	var group sync.WaitGroup
	for _, t := range s.targets {
		group.Go(func() { t.run(ctx) })
	}
	for _, svc := range s.services {
		group.Go(func() { svc.follow(ctx) })
		group.Go(func() { svc.tend(ctx) })
	}
	if s.reporter != nil {
		group.Go(func() { s.reporter.run(ctx) })
	}
	group.Wait()
	return nil
}

// Once lists every prefix once, brings every target to the result and returns what went wrong, ErrNoServers included.
// One service's or target's trouble does not keep the others back.
func (s *Syncer) Once(ctx context.Context) error {
	release, err := s.start()
	if err != nil {
		return err
	}
	defer release()
	errs := s.listAll(ctx)
	for _, t := range s.targets {
		errs = append(errs, t.once(ctx))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// listAll lists every prefix once and decides the pools.
func (s *Syncer) listAll(ctx context.Context) []error {
	var errs []error
	for _, svc := range s.services {
		if err := svc.list(ctx); err != nil {
			svc.failed(err)
			errs = append(errs, err)
			continue
		}
		svc.decide(ctx, nil)
	}
	return errs
}

// ErrUnknownService is what Release returns for a name that the configuration does not have.
var ErrUnknownService = errors.New("unknown service")

// Release lets the held hosts of a service go, as an operator's decision, and returns how many there were.
func (s *Syncer) Release(service string) (int, error) {
	for _, svc := range s.services {
		if svc.name == service {
			return svc.release(), nil
		}
	}
	return 0, ErrUnknownService
}

// Pools returns the pools as decided now, sorted by name, and whether each of them counts: it comes from the registry, or
// from an earlier run while the registry is away.
func (s *Syncer) Pools() (pools []Pool, known bool) {
	known = true
	for _, svc := range s.services {
		snap := svc.snapshot()
		pools = append(pools, snap.pool)
		known = known && snap.known
	}
	return pools, known
}
