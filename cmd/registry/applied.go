package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"time"

	"github.com/spf13/cobra"

	"rollcall/lbsync"
)

const (
	// appliedTimeout is longer than a registration, a reload and a patient health check take together.
	appliedTimeout = time.Minute
	// attemptTimeout bounds one attempt at one node, for which the other commands have --timeout.
	attemptTimeout = 5 * time.Second
)

// appliedOptions are the flags of `registry applied`.
type appliedOptions struct {
	keyFlags
	limit  time.Duration
	gone   bool
	least  int
	report string
	quiet  bool
}

func newAppliedCommand(app *cli) *cobra.Command {
	var opts appliedOptions
	cmd := &cobra.Command{
		Use:   "applied KEY",
		Short: "Wait until all balancers serve a host, or have let it go",
		Long: `Wait until each live balancer of the service serves the host with the value that its key
has now; with --gone, until none sends it anything and its sessions have ended, while
the entry is gone or asks for drain or down. Balancers are those whose lbsync reports
on a directory above the key.

Each balancer that is done is printed. The exit code is 5 when the time is over, and the
error says which balancer is missing and why.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := opts.waiter(app, args[0])
			if err != nil {
				return &usageError{cmd: cmd, err: err}
			}
			return w.wait(cmd.Context(), opts.limit)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.gone, "gone", false, "wait until the host is gone and its sessions have ended")
	flags.IntVar(&opts.least, "min", 1, "how many balancers have to report at least")
	flags.BoolVar(&opts.quiet, "quiet", false, "print no progress")
	flags.StringVar(&opts.report, "report", lbsync.DefaultReport, "directory of the reports, as in lbsync.yaml")
	flags.StringSliceVar(&opts.endpoints, "endpoints", []string{defaultEndpoint}, "URLs of the nodes, in order of preference")
	flags.DurationVar(&opts.limit, "timeout", appliedTimeout, "how long to wait in all")
	registerClientTLS(flags, &opts.tls)
	opts.timeout = attemptTimeout
	cmd.Args = keyArgs(1, 1)
	cmd.ValidArgsFunction = completeKeys(app, &opts.keyFlags)
	return cmd
}

func (o *appliedOptions) waiter(app *cli, key string) (*waiter, error) {
	a := aim{key: path.Clean("/" + key), gone: o.gone, least: o.least}
	switch {
	case len(a.prefixes()) == 0:
		return nil, fmt.Errorf("%s: not a key in a directory", key)
	case o.limit <= 0:
		return nil, fmt.Errorf("--timeout %v: must be positive", o.limit)
	case o.least < 1:
		return nil, errors.New("--min must be 1 or more")
	}
	c, err := o.client(app)
	if err != nil {
		return nil, err
	}
	w := &waiter{
		aim: a, client: c, root: path.Clean("/" + o.report), progress: app.stdout,
		addrs: map[netip.AddrPort]bool{}, told: map[string]bool{},
	}
	if o.quiet {
		w.progress = io.Discard
	}
	return w, nil
}
