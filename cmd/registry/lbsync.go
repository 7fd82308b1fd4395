package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"rollcall/lbsync"
	"rollcall/lbsync/haproxy"
	"rollcall/lbsync/nginx"
)

func newLbsyncCommand(app *cli) *cobra.Command {
	var path string
	var once bool
	cmd := &cobra.Command{
		Use:   "lbsync",
		Short: "Keep HAProxy and nginx in step with the registry",
		Long: `Follow prefixes of the registry and write them into the configurations of HAProxy and
nginx. Every file is checked by the balancer before it replaces the old one, and put
back when the balancer does not load it. While the registry cannot be reached, or lists
no server, everything stays as it is.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return &usageError{cmd: cmd, err: errors.New("--config is required")}
			}
			cfg, err := lbsync.LoadConfig(path)
			if err != nil {
				return err
			}
			if once {
				return lbsyncOnce(cmd.Context(), cfg, app.log)
			}
			return runLbsync(cmd.Context(), cfg, app)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "path of lbsync.yaml")
	cmd.Flags().BoolVar(&once, "once", false, "bring every file up to date once, and end; fails when one could not be")
	return cmd
}

// newSyncer makes the targets of a configuration and what keeps them.
func newSyncer(cfg *lbsync.Config, log *slog.Logger) (*lbsync.Syncer, error) {
	var targets []lbsync.Target
	for _, conf := range cfg.HAProxy {
		t, err := haproxy.NewTarget(conf, haproxy.Options{RunAs: haproxy.DefaultRunAs()})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", conf.Config, err)
		}
		targets = append(targets, t)
	}
	for _, conf := range cfg.Nginx {
		targets = append(targets, nginx.NewTarget(conf, nginx.Options{}))
	}
	return lbsync.New(cfg, lbsync.Options{Targets: targets, Logger: log})
}

func lbsyncOnce(ctx context.Context, cfg *lbsync.Config, log *slog.Logger) error {
	s, err := newSyncer(cfg, log)
	if err != nil {
		return err
	}
	return s.Once(ctx)
}

// runLbsync keeps the targets, and serves probes and metrics beside that when the configuration says where.
func runLbsync(ctx context.Context, cfg *lbsync.Config, app *cli) error {
	s, err := newSyncer(cfg, app.log)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if cfg.Listen != "" {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", cfg.Listen)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		group.Go(func() error { return serve(ctx, l, lbsyncHandler(s.Stats, app.build.Version), app.log) })
	}
	app.log.InfoContext(ctx, "lbsync is up", "endpoints", cfg.Endpoints, "listen", cfg.Listen)
	group.Go(func() error { return s.Run(ctx) })
	err = group.Wait()
	app.log.InfoContext(ctx, "lbsync has stopped")
	return err
}
