// Package haproxy renders HAProxy's configuration from pools, has HAProxy check and load it, and changes the servers of
// a running HAProxy by commands.
//
// The file is HAProxy's whole configuration, from the built-in template or from one of the operator's. It is taken apart
// into the lines of servers and the structure, which is everything else. The structure's hash, with the template's, is
// the generation. A worker tells by a variable, proc.rollcall_gen, which generation it has loaded:
//
//   - If it is the file's, servers are added, weighted, drained, switched off and deleted through the stats socket,
//     read back and compared, and nothing is reloaded. Servers changed by hand are brought back the same way.
//   - If it is not, or if HAProxy refuses a command or answers with anything but the one text that means success, the
//     file has to be loaded. Reloads lose no connection in master-worker mode.
//
// Server names are functions of the address, and so are ids, except where two meet at one. A server that drains has
// weight 0 in the file and by command: this outlives a restart and reads back as what was asked for.
//
// Limits: HAProxy's configuration manual promises balance roundrobin for at most 4095 active servers of a backend; 2.6.12
// refuses no more than that and was seen to serve 4,300 evenly. Larger pools should have a template with another
// algorithm. balance static-rr, source and others without hash-type consistent take
// no servers by command; neither do HAProxy 2.4 and 2.5 without experimental-mode. Templates with default-server, .if
// or quoted server options work by reloads alone. Of a server's options HAProxy tells address, weight, maxconn, backup
// and whether there is a check; the others of a server that somebody else has added are taken to be right.
//
// What a reload did is told by the master's socket, by the marker of the worker at the stats socket, or, without both,
// by the process table: a new worker must have come up. Where HAProxy's processes cannot be seen either, the exit code
// of the reload command is all there is.
package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
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
	// source is the template's text.
	source string
	bind   string
	// runtime is the stats socket, master the master's socket; nil for none.
	runtime, master asker
	known           *memory
	latest          rendering
	lines           lineCache
	// seen is the running worker as the latest Live has left it.
	seen sighting
	old  map[int]oldWorker // by process id
}

// NewTarget makes a target of the syncer. It reads the template when there is one and renders samples, so that a template
// that cannot work is refused here.
func NewTarget(conf lbsync.HAProxy, o Options) (lbsync.Target, error) {
	if o.CheckTimeout == 0 {
		o.CheckTimeout = checkTimeout
	}
	if o.ReloadTimeout == 0 {
		o.ReloadTimeout = reloadTimeout
	}
	d := &Driver{conf: conf, options: o, known: newMemory(), lines: lineCache{}}
	if err := d.open(); err != nil {
		return lbsync.Target{}, err
	}
	return lbsync.Target{
		Config: conf.Config, Services: conf.Services, Driver: d, Zone: conf.Zone, Pace: conf.Pace.Pace(lbsync.Pace{}),
	}, nil
}

// open reads and checks what the configuration names.
func (d *Driver) open() error {
	var err error
	if d.conf.Bind != "" {
		if d.bind, err = lbsync.ParseBind(d.conf.Bind); err != nil {
			return fmt.Errorf("bind %q: %w", d.conf.Bind, err)
		}
	}
	if d.bind == "" && d.conf.Template == "" {
		return errors.New("the built-in template needs bind")
	}
	if d.runtime, err = openSocket(d.conf.RuntimeSocket); err != nil {
		return fmt.Errorf("runtime_socket: %w", err)
	}
	if d.master, err = openSocket(d.conf.MasterSocket); err != nil {
		return fmt.Errorf("master_socket: %w", err)
	}
	if d.template, d.source, err = loadTemplate(d.conf.Template); err != nil {
		return err
	}
	return d.tryTemplate()
}

// openSocket returns nil for an empty path. The path is written into the file, so only plain characters may be in it.
func openSocket(path string) (asker, error) {
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) || strings.ContainsFunc(path, notPlain) {
		return nil, fmt.Errorf("%q is not an absolute path of letters, digits and _.:/[]=,+-", path)
	}
	return socket{path: path, timeout: commandTimeout}, nil
}

// Kind is "haproxy".
func (d *Driver) Kind() string { return "haproxy" }

// CheckCandidate runs the check command on the candidate.
func (d *Driver) CheckCandidate(ctx context.Context, path string) error {
	return d.conf.Check.WithFile(path).Run(ctx, d.options.CheckTimeout)
}

// CheckLive has nothing to add: the candidate was the whole configuration.
func (d *Driver) CheckLive(context.Context) error { return nil }

// Reload has the master load the file where its socket is given, or runs the reload command. The proof is the file's
// marker in a new worker, or the new worker alone where no marker can be seen.
func (d *Driver) Reload(ctx context.Context) (lbsync.Proof, error) {
	d.seen = sighting{}
	if d.master != nil {
		return d.reloadByMaster(ctx)
	}
	proof := d.proofOfCommand(ctx)
	if err := d.conf.Reload.WithFile(d.conf.Config).Run(ctx, d.options.ReloadTimeout); err != nil {
		return nil, err
	}
	return proof, nil
}

func (d *Driver) reloadByMaster(ctx context.Context) (lbsync.Proof, error) {
	marker, err := d.markerInPlace()
	if err != nil {
		return nil, err
	}
	pid, err := reloadByMaster(ctx, d.conf.MasterSocket)
	if err != nil {
		return nil, err
	}
	return markerProof(worker{master: d.master, pid: pid}, marker, 0), nil
}

// proofOfCommand looks at what runs before the reload command.
func (d *Driver) proofOfCommand(ctx context.Context) lbsync.Proof {
	marker, err := d.markerInPlace()
	if d.runtime == nil || err != nil || marker == "" {
		return newWorker(d.conf.Config)
	}
	before, _, _ := identify(ctx, d.runtime) // 0 when nobody answers: then any worker is new.
	return markerProof(d.runtime, marker, before)
}

// markerInPlace is the marker of the file that a reload would load.
func (d *Driver) markerInPlace() (string, error) {
	text, err := os.ReadFile(d.conf.Config)
	if err != nil {
		return "", fmt.Errorf("reload: %w", err)
	}
	return parseFile(text).marker, nil
}
