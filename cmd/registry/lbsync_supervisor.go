package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall/lbsync"
	"rollcall/metrics"
	"rollcall/registry/httpapi"
)

// supervisorOptions configure a supervisor.
type supervisorOptions struct {
	path    string // of lbsync.yaml
	config  []lbsync.ConfigOption
	source  func(*lbsync.Config) (lbsync.Source, error) // nil: what the configuration says
	version string                                      // of the program, for its metrics
	log     *slog.Logger
	notify  *notifier        // of systemd, nil for nobody
	pulse   <-chan time.Time // when to tell it; nil when somebody else does
}

// A supervisor runs lbsync in this process and, when it is told to, exchanges it for one with lbsync.yaml and the
// templates as they are then. What cannot be loaded is logged and counted, and changes nothing. The port for probes and
// metrics stays open all the time.
type supervisor struct {
	supervisorOptions
	listener net.Listener   // nil: none is wanted
	tls      *tlsKeeper     // of the listener; nil for plain HTTP
	retls    chan os.Signal // one slot: has its files looked at

	mu      sync.Mutex // guards what follows; held for copying only
	current lbsyncInstance
	reloads metrics.LbsyncReloads
}

// An lbsyncInstance is one configuration and what follows it.
type lbsyncInstance struct {
	cfg    *lbsync.Config
	syncer *lbsync.Syncer
}

// newSupervisor loads the configuration and binds its port. Run or close releases it.
func newSupervisor(ctx context.Context, o supervisorOptions) (*supervisor, error) {
	s := &supervisor{supervisorOptions: o, reloads: metrics.LbsyncReloads{LastOK: true}, retls: make(chan os.Signal, 1)}
	var err error
	templates := &keptTemplates{log: o.log, standIn: true}
	if s.current, err = s.load(templates); err != nil {
		return nil, err
	}
	s.reloads.LastOK = !templates.stoodIn
	return s, s.listen(ctx)
}

// listen binds the port for probes and metrics, when there is to be one.
func (s *supervisor) listen(ctx context.Context) (err error) {
	cfg := s.current.cfg
	if cfg.Listen == "" {
		return nil
	}
	files := cfg.ListenTLS
	s.tls, err = newTLSKeeper(tlsConfig{
		cert: files.Cert, key: files.Key, clientCA: files.ClientCA, inYAML: "listen_tls", reload: s.retls,
	}, s.log.With("of", "lbsync"))
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// load makes an instance of the files as they are now, and keeps copies of the templates.
func (s *supervisor) load(templates *keptTemplates) (lbsyncInstance, error) {
	cfg, err := lbsync.LoadConfig(s.path, s.config...)
	if err != nil {
		return lbsyncInstance{}, err
	}
	var source lbsync.Source
	if s.source != nil {
		if source, err = s.source(cfg); err != nil {
			return lbsyncInstance{}, err
		}
	}
	templates.dir = cfg.StateDir
	syncer, err := newSyncer(cfg, s.log, templates, source)
	return lbsyncInstance{cfg, syncer}, err
}

// close releases the port of a supervisor that never ran.
func (s *supervisor) close() {
	if s.listener != nil {
		s.listener.Close()
	}
}

// addr is where probes and metrics are; empty for nowhere.
func (s *supervisor) addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Syncer is what runs now. It is another one after a reload.
func (s *supervisor) Syncer() *lbsync.Syncer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.syncer
}

// Stats are those of what runs now. Its counters begin anew with each reload.
func (s *supervisor) Stats() lbsync.Stats { return s.Syncer().Stats() }

// Status is that of what runs now.
func (s *supervisor) Status() lbsync.Status { return s.Syncer().Status() }

// Release lets the held hosts of a service go, see [lbsync.Syncer.Release].
func (s *supervisor) Release(service string) (int, error) { return s.Syncer().Release(service) }

// Pools are those of what runs now.
func (s *supervisor) Pools() (pools []lbsync.Pool, known bool) { return s.Syncer().Pools() }

// Reloads says what came of the reloads.
func (s *supervisor) Reloads() metrics.LbsyncReloads {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reloads
}

// collectors are for a process that has metrics of its own.
func (s *supervisor) collectors() []prometheus.Collector {
	return []prometheus.Collector{metrics.NewLbsyncCollector(s.Stats), metrics.NewLbsyncReloadsCollector(s.Reloads)}
}

// Run keeps the targets, and serves probes and metrics when the configuration says where, until ctx ends. Each value from
// reload has it load the configuration again.
func (s *supervisor) Run(ctx context.Context, reload <-chan os.Signal) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.listener != nil {
		group.Go(func() error { return s.serve(ctx) })
		group.Go(func() error { s.tls.run(ctx); return nil })
	}
	s.log.InfoContext(ctx, "lbsync is up", "endpoints", s.current.cfg.Endpoints, "listen", s.addr())
	group.Go(func() error { return s.keep(ctx, reload) })
	err := group.Wait()
	s.log.InfoContext(ctx, "lbsync has stopped")
	return err
}

// serve answers on the port for probes and metrics until ctx ends.
func (s *supervisor) serve(ctx context.Context) error {
	collectors := []prometheus.Collector{metrics.NewLbsyncReloadsCollector(s.Reloads)}
	if s.tls != nil {
		collectors = append(collectors, metrics.NewTLSCollector(s.tls.Stats))
	}
	server := httpapi.NewServer(s.tls.protect(lbsyncHandler(s, s.version, collectors...), refuseLbsyncClient), s.log)
	return serveWith(ctx, server, s.tls.listen(server, s.listener), s.log)
}

// keep runs one instance after the other.
func (s *supervisor) keep(ctx context.Context, reload <-chan os.Signal) error {
	for ctx.Err() == nil {
		next, err := s.runCurrent(ctx, reload)
		if err != nil {
			return err
		}
		if next.syncer != nil {
			s.mu.Lock()
			s.current = next
			s.mu.Unlock()
		}
	}
	return nil
}

// runCurrent runs the current instance until there is another one, which it returns, or until ctx ends. The current one
// has stopped then: two never touch the same files.
func (s *supervisor) runCurrent(ctx context.Context, reload <-chan os.Signal) (next lbsyncInstance, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Syncer().Run(running) }()
	began := time.Now()
	for {
		select {
		case err := <-ended:
			return lbsyncInstance{}, err
		case <-s.pulse:
			s.tell(began)
		case sig := <-reload:
			select {
			case s.retls <- sig:
			default: // The files are about to be looked at.
			}
			s.notify.reload(func() {
				next, err = s.load(&keptTemplates{log: s.log})
				s.note(next, err)
			})
			if err != nil {
				continue
			}
			stop()
			return next, <-ended
		}
	}
}

// note counts and logs what came of a reload.
func (s *supervisor) note(next lbsyncInstance, err error) {
	s.mu.Lock()
	s.reloads.LastOK = err == nil
	if err == nil {
		s.reloads.Success++
	} else {
		s.reloads.Failure++
	}
	former := s.current.cfg
	s.mu.Unlock()
	if err != nil {
		s.log.Error("configuration not reloaded, the former one stays", "config", s.path, "error", err)
		return
	}
	s.log.Info("configuration reloaded", "config", s.path, "endpoints", next.cfg.Endpoints)
	if next.cfg.Listen != former.Listen {
		s.log.Warn("a new listen needs a restart", "listen", next.cfg.Listen, "still", s.addr())
	}
	if next.cfg.ListenTLS != former.ListenTLS {
		s.log.Warn("a new listen_tls needs a restart; new files under the old names need none")
	}
}

// hangups returns the channel on which each SIGHUP arrives until stop is called.
func hangups() (c <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 1) // One that has not been seen yet stands for later ones.
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}
