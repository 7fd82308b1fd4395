package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync"
)

const (
	// pollPeriod is how often confd's way looks. confd's own default is ten minutes.
	pollPeriod = time.Second
	// commandTimeout bounds its commands.
	commandTimeout = 10 * time.Second
)

// A confd keeps one file in confd's way: poll, render, compare, check, rename, reload.
type confd struct {
	registry *registry
	render   func(hosts []string) ([]byte, error)
	config   string
	check    lbsync.Command // {file} stands for the new file; without, it is about the file in place
	reload   lbsync.Command
}

func (r *rig) confdHAProxy(h *haproxy) confd {
	return confd{r.registry, h.render, h.conf.Config, h.conf.Check, h.conf.Reload}
}

func (r *rig) confdNginx(n *nginx) confd {
	return confd{r.registry, n.render, n.conf.Config, n.conf.Check, n.conf.Reload}
}

// run keeps the file until ctx ends.
func (c confd) run(ctx context.Context) error {
	for kit.Pause(ctx, pollPeriod) == nil {
		if err := c.poll(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (c confd) poll(ctx context.Context) error {
	hosts, err := c.registry.list(ctx)
	if err != nil {
		return err
	}
	slices.Sort(hosts)
	text, err := c.render(hosts)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(c.config)
	if err != nil || bytes.Equal(old, text) {
		return err
	}
	staged := strings.TrimSuffix(c.config, ".conf") + ".staged" // nginx includes *.conf.
	if err := os.WriteFile(staged, text, 0o644); err != nil {
		return err
	}
	if c.check.HasFile() {
		err = c.check.WithFile(staged).Run(ctx, commandTimeout)
	}
	err = errors.Join(err, os.Rename(staged, c.config))
	if !c.check.HasFile() {
		err = errors.Join(err, c.check.Run(ctx, commandTimeout))
	}
	if err != nil {
		return err
	}
	return c.reload.Run(ctx, commandTimeout)
}
