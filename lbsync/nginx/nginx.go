// Package nginx renders upstream blocks from pools and has nginx check and load them.
//
// The file is for inclusion inside the http block, which is where conf.d is. nginx can check its whole configuration only,
// with the new file in place. So a candidate is first checked alone, in a small configuration made for it, then put in
// place and checked by the operator's command; only then nginx is told to reload. Every change of servers is a reload.
//
// nginx answers a reload before it tries. What it did is seen in the process table: all its workers must have been
// exchanged, which is also when removed servers get nothing new any more. Where the configuration says Verify, the file
// has nginx tell at that address which generation of the file it serves; this is asked for after each reload, and when
// a running nginx is compared with the file. A reload that fails is explained by nginx's error log, where that can be read.
// Where neither nginx's processes nor its generation can be seen, the exit code of the reload command is all there is;
// an nginx whose processes are hidden and that does not tell a generation yet is taken for one that does not run.
//
// The open source nginx has no slow start and no drain: the first is ignored, and a server that drains is down, which lets
// running requests end.
package nginx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"text/template"
	"time"

	"rollcall/lbsync"
)

const (
	// checkTimeout leaves room for a large configuration around our file, and for its names to be resolved.
	checkTimeout = 10 * time.Second
	// reloadTimeout is for a command that only sends a signal, perhaps through systemctl.
	reloadTimeout = 20 * time.Second
	// minGap is the default pause between two reloads. With the longest jitter and a slow reload, a change in the middle of
	// many is served within 1.5 s.
	minGap = 800 * time.Millisecond
)

// Options are what a Driver needs besides its target's configuration. The zero value is ready for use.
type Options struct {
	// CheckTimeout and ReloadTimeout bound the commands; 0 means 10 and 20 seconds.
	CheckTimeout, ReloadTimeout time.Duration
}

// Driver is nginx as an lbsync.Driver.
type Driver struct {
	conf     lbsync.Nginx
	options  Options
	template *template.Template
	marker   marker
	main     string // main configuration file as the commands name it by -c; empty: nginx's built-in one
}

// NewTarget makes a target of the syncer. It reads the template when there is one, and tries it.
func NewTarget(conf lbsync.Nginx, o Options) (lbsync.Target, error) {
	if o.CheckTimeout == 0 {
		o.CheckTimeout = checkTimeout
	}
	if o.ReloadTimeout == 0 {
		o.ReloadTimeout = reloadTimeout
	}
	if _, err := netip.ParseAddrPort(conf.Verify); conf.Verify != "" && err != nil {
		return lbsync.Target{}, fmt.Errorf("verify: %w", err)
	}
	d := &Driver{
		conf: conf, options: o,
		marker: newMarker(conf.Config, conf.Verify),
		main:   argument("-c", conf.Check, conf.Reload),
	}
	var err error
	if d.template, err = loadTemplate(conf.Template); err != nil {
		return lbsync.Target{}, err
	}
	if err := d.try(); err != nil {
		return lbsync.Target{}, err
	}
	return lbsync.Target{
		Config: conf.Config, Services: conf.Services, Driver: d, Zone: conf.Zone, Pace: conf.Pace.Pace(lbsync.Pace{MinGap: minGap}),
	}, nil
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

// Reload runs the reload command. The proof is an exchange of all workers and, with Verify, that they serve the
// generation of the file that is in place now.
func (d *Driver) Reload(ctx context.Context) (lbsync.Proof, error) {
	file, err := os.ReadFile(d.conf.Config)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("file in place: %w", err)
	}
	r := &reload{main: d.main, before: look(d.main), marker: d.marker, log: d.openErrorLog()}
	if d.conf.Verify != "" {
		r.wanted = d.marker.of(file)
	}
	if err := d.conf.Reload.WithFile(d.conf.Config).Run(ctx, d.options.ReloadTimeout); err != nil {
		return nil, err
	}
	return r.wait, nil
}

func (d *Driver) openErrorLog() errorLog {
	return openErrorLog(d.main, argument("-p", d.conf.Check, d.conf.Reload))
}
