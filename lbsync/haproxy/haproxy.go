// Package haproxy renders HAProxy's configuration from pools and has HAProxy check and load it.
//
// The file is HAProxy's whole configuration, from the built-in template or from one of the operator's. Every change is a
// reload, which HAProxy 2.x does without losing a connection in master-worker mode. Server names and ids are functions
// of the address, so a server keeps both across changes.
//
// What a reload did is seen in the process table alone: a new worker must have come up. Where HAProxy's processes
// cannot be seen, the exit code of the reload command is all there is.
package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"text/template"
	"time"

	"rollcall/lbsync"
)

const (
	// checkTimeout is a hundred times what haproxy -c takes for a thousand servers.
	checkTimeout = 10 * time.Second
	// reloadTimeout leaves room for systemctl, which waits for a new worker.
	reloadTimeout = 20 * time.Second
)

// Options are what a Driver needs besides its target's configuration. The zero value is ready for use.
type Options struct {
	// RunAs is the user and the group that HAProxy changes to by the built-in template; empty is none.
	RunAs string
	// CheckTimeout and ReloadTimeout bound the commands; 0 means 10 and 20 seconds.
	CheckTimeout, ReloadTimeout time.Duration
}

// DefaultRunAs is "haproxy" where that user exists and this process is root, as HAProxy will be then; else empty.
func DefaultRunAs() string {
	if os.Geteuid() != 0 {
		return ""
	}
	if _, err := user.Lookup("haproxy"); err != nil {
		return ""
	}
	return "haproxy"
}

// Driver is HAProxy as an lbsync.Driver.
type Driver struct {
	conf     lbsync.HAProxy
	options  Options
	template *template.Template
	bind     string
}

// NewTarget makes a target of the syncer. It reads the template when there is one.
func NewTarget(conf lbsync.HAProxy, o Options) (lbsync.Target, error) {
	if o.CheckTimeout == 0 {
		o.CheckTimeout = checkTimeout
	}
	if o.ReloadTimeout == 0 {
		o.ReloadTimeout = reloadTimeout
	}
	d := &Driver{conf: conf, options: o}
	var err error
	if d.template, err = loadTemplate(conf.Template); err != nil {
		return lbsync.Target{}, err
	}
	if conf.Bind != "" {
		if d.bind, err = lbsync.ParseBind(conf.Bind); err != nil {
			return lbsync.Target{}, fmt.Errorf("bind %q: %w", conf.Bind, err)
		}
	}
	if d.bind == "" && conf.Template == "" {
		return lbsync.Target{}, errors.New("the built-in template needs bind")
	}
	return lbsync.Target{Config: conf.Config, Services: conf.Services, Driver: d}, nil
}

// Kind is "haproxy".
func (d *Driver) Kind() string { return "haproxy" }

// CheckCandidate runs the check command on the candidate.
func (d *Driver) CheckCandidate(ctx context.Context, path string) error {
	return d.conf.Check.WithFile(path).Run(ctx, d.options.CheckTimeout)
}

// CheckLive has nothing to add: the candidate was the whole configuration.
func (d *Driver) CheckLive(context.Context) error { return nil }

// Reload runs the reload command. The proof is a new worker.
func (d *Driver) Reload(ctx context.Context) (lbsync.Proof, error) {
	proof := newWorker(d.conf.Config)
	if err := d.conf.Reload.WithFile(d.conf.Config).Run(ctx, d.options.ReloadTimeout); err != nil {
		return nil, err
	}
	return proof, nil
}
