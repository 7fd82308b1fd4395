package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"rollcall/docs"
	"rollcall/lbsync"
	"rollcall/lbsync/haproxy"
	"rollcall/lbsync/nginx"
	"rollcall/registry/client"
)

// lbsyncFlags say what an lbsync command does.
type lbsyncFlags struct {
	config      string // path of lbsync.yaml
	once        bool
	dryRun      bool
	checkOnly   bool
	printSchema bool
	color       string // auto, always or never
	tls         client.TLSFiles
}

func newLbsyncCommand(app *cli) *cobra.Command {
	var f lbsyncFlags
	cmd := &cobra.Command{
		Use:   "lbsync",
		Short: "Keep HAProxy and nginx in step with the registry",
		Long: `Follow prefixes of the registry and write them into the configurations of HAProxy and
nginx. Every file is checked by the balancer before it replaces the old one, and put
back when the balancer does not load it. While the registry cannot be reached, or lists
no server, everything stays as it is.

SIGHUP reads lbsync.yaml and the templates again. When something is wrong with them, the
error is logged and everything goes on as before.

--dry-run lists the registry once and prints, for each file, how it differs from the one
that would be written, and what would be done to the running balancer. It changes
nothing, and its exit code is 0 whether there are differences or not.

--check-config says whether lbsync.yaml, the templates and the files for TLS are good,
and asks neither the registry nor a balancer.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.validate(); err != nil {
				return &usageError{cmd: cmd, err: err}
			}
			if f.checkOnly {
				return app.reportCheck(checkLbsync(f.config, app.log, f.overrides()...))
			}
			return f.run(cmd.Context(), app)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "path of lbsync.yaml")
	flags.BoolVar(&f.once, "once", false, "bring every file up to date once, and end; fails when one could not be")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would change, change nothing, and end")
	flags.BoolVar(&f.checkOnly, "check-config", false, "only check the configuration and all files that it names, and end")
	flags.StringVar(&f.color, "color", "auto", "colors of --dry-run: always, never, or auto: on a terminal, unless NO_COLOR is set")
	flags.BoolVar(&f.printSchema, "print-schema", false, "print the JSON schema of lbsync.yaml, and end")
	registerClientTLS(flags, &f.tls)
	return addLbsyncCommands(app, cmd)
}

func (f *lbsyncFlags) validate() error {
	modes := 0
	for _, set := range []bool{f.once, f.dryRun, f.checkOnly, f.printSchema} {
		if set {
			modes++
		}
	}
	switch {
	case modes > 1:
		return errors.New("--once, --dry-run, --check-config and --print-schema exclude each other")
	case f.config == "" && !f.printSchema:
		return errors.New("--config is required")
	case f.color != "auto" && f.color != "always" && f.color != "never":
		return fmt.Errorf("--color %q: must be auto, always or never", f.color)
	}
	return nil
}

func (f *lbsyncFlags) run(ctx context.Context, app *cli) error {
	switch {
	case f.printSchema:
		_, err := io.WriteString(app.stdout, docs.LbsyncSchema)
		return err
	case f.once:
		s, err := f.loadSyncer(app.log)
		if err != nil {
			return err
		}
		return s.Once(ctx)
	case f.dryRun:
		s, err := f.loadSyncer(app.log)
		if err != nil {
			return err
		}
		return printDryRun(ctx, app.stdout, s, f.printer(app))
	default:
		return f.follow(ctx, app)
	}
}

// follow keeps the targets until ctx ends.
func (f *lbsyncFlags) follow(ctx context.Context, app *cli) error {
	reload, stop := hangups()
	defer stop()
	notify := newNotifier(app.lookup, app.log)
	s, err := newSupervisor(ctx, supervisorOptions{
		path: f.config, config: f.overrides(), version: app.build.Version, log: app.log, notify: notify, pulse: notify.C(),
	})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, notify.stopping)
	defer notify.stopping()
	return s.Run(ctx, reload)
}

// overrides are the flags that win over the file.
func (f *lbsyncFlags) overrides() []lbsync.ConfigOption {
	return []lbsync.ConfigOption{lbsync.OverrideTLS(lbsync.TLSConfig(f.tls))}
}

// loadSyncer makes what keeps the targets of the file, for one round.
func (f *lbsyncFlags) loadSyncer(log *slog.Logger) (*lbsync.Syncer, error) {
	cfg, err := lbsync.LoadConfig(f.config, f.overrides()...)
	if err != nil {
		return nil, err
	}
	return newSyncer(cfg, log, nil, nil)
}

// newSyncer makes the targets of a configuration and what keeps them. A nil source is what the configuration says.
func newSyncer(cfg *lbsync.Config, log *slog.Logger, templates *keptTemplates, source lbsync.Source) (*lbsync.Syncer, error) {
	var targets []lbsync.Target
	for _, conf := range cfg.HAProxy {
		t, err := templates.target(conf.Config, conf.Template, func(template string) (lbsync.Target, error) {
			conf.Template = template
			return haproxy.NewTarget(conf, haproxy.Options{RunAs: haproxy.DefaultRunAs()})
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", conf.Config, err)
		}
		targets = append(targets, t)
	}
	for _, conf := range cfg.Nginx {
		t, err := templates.target(conf.Config, conf.Template, func(template string) (lbsync.Target, error) {
			conf.Template = template
			return nginx.NewTarget(conf, nginx.Options{})
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", conf.Config, err)
		}
		targets = append(targets, t)
	}
	return lbsync.New(cfg, lbsync.Options{Targets: targets, Source: source, IndexTime: changeTime, Logger: log})
}
