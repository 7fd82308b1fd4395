// Package nginx renders upstream blocks from pools and has nginx check and load them.
//
// The file is for inclusion inside the http block, which is where conf.d is. nginx can check its whole configuration only,
// with the new file in place. So a candidate is first checked alone, in a small configuration made for it, then put in
// place and checked by the operator's command; only then nginx is told to reload.
//
// nginx answers a reload before it tries. What it did is seen in the process table: all its workers must have been
// exchanged. Where nginx's processes cannot be seen, the exit code of the reload command is all there is.
package nginx

import (
	"context"
	"slices"
	"time"

	"rollcall/lbsync"
)

const (
	// checkTimeout leaves room for a large configuration around our file, and for its names to be resolved.
	checkTimeout = 10 * time.Second
	// reloadTimeout is for a command that only sends a signal, perhaps through systemctl.
	reloadTimeout = 20 * time.Second
)

// Options are what a Driver needs besides its target's configuration. The zero value is ready for use.
type Options struct {
	// CheckTimeout and ReloadTimeout bound the commands; 0 means 10 and 20 seconds.
	CheckTimeout, ReloadTimeout time.Duration
}

// Driver is nginx as an lbsync.Driver.
type Driver struct {
	conf    lbsync.Nginx
	options Options
}

// NewTarget makes a target of the syncer.
func NewTarget(conf lbsync.Nginx, o Options) lbsync.Target {
	if o.CheckTimeout == 0 {
		o.CheckTimeout = checkTimeout
	}
	if o.ReloadTimeout == 0 {
		o.ReloadTimeout = reloadTimeout
	}
	return lbsync.Target{
		Config:   conf.Config,
		Services: conf.Services,
		Driver:   &Driver{conf: conf, options: o},
	}
}

// Kind is "nginx".
func (d *Driver) Kind() string { return "nginx" }

// CheckCandidate runs the check command on the candidate, when it takes a file, else nginx itself in a wrapper.
func (d *Driver) CheckCandidate(ctx context.Context, path string) error {
	if d.conf.Check.HasFile() {
		return d.conf.Check.WithFile(path).Run(ctx, d.options.CheckTimeout)
	}
	return d.checkWrapped(ctx, path)
}

// CheckLive runs a check command that takes no file, which is about the whole configuration.
func (d *Driver) CheckLive(ctx context.Context) error {
	if d.conf.Check.HasFile() {
		return nil
	}
	return d.conf.Check.Run(ctx, d.options.CheckTimeout)
}

// Reload runs the reload command. The proof is an exchange of all workers.
func (d *Driver) Reload(ctx context.Context) (lbsync.Proof, error) {
	proof := newWorkers(mainConfig(d.conf.Check))
	if err := d.conf.Reload.WithFile(d.conf.Config).Run(ctx, d.options.ReloadTimeout); err != nil {
		return nil, err
	}
	return proof, nil
}

// mainConfig is the file that the check command names by -c, or empty: nginx's built-in one.
func mainConfig(check lbsync.Command) string {
	at := slices.Index(check, "-c")
	if at < 0 || at+1 == len(check) || check.HasFile() {
		return ""
	}
	return check[at+1]
}
