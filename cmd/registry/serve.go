package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"rollcall/registry/httpapi"
)

// gossipFlags configure replication, which this version does not have yet. They are
// here so that command lines stay as they are when it comes; what would be wrong to
// pass over in silence is refused.
type gossipFlags struct {
	listen  string
	join    []string
	keyFile string
}

func newServeCommand(app *cli) *cobra.Command {
	var cfg nodeConfig
	var gossip gossipFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a registry node",
		Long: `Run a registry node: it serves etcd's v2 keys API to hosts, balancers and people,
with /metrics, /livez and /readyz beside it.

Entries live in memory. The data directory keeps the node's index growing over a
restart; it keeps no entries.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(gossip.refuse(), cfg.validate()); err != nil {
				return &usageError{cmd: cmd, err: err}
			}
			n, err := newNode(cmd.Context(), cfg, app.build.Version, app.log)
			if err != nil {
				return err
			}
			return n.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.name, "name", "", "name of the node, unique in the cluster (default the host's name)")
	flags.StringVar(&cfg.dataDir, "data-dir", "", "directory for what survives a restart (default none)")
	flags.StringVar(&cfg.listen, "listen", "127.0.0.1:4001", "HOST:PORT for clients")
	flags.StringSliceVar(&cfg.advertise, "advertise", nil, "URL[,URL] under which clients reach the node (default made from --listen; give it when that is 0.0.0.0)")
	flags.BoolVar(&cfg.renewalEvents, "renewal-events", false, "make each heartbeat an event, to the letter as etcd; every one then wakes all watches")
	flags.Int64Var(&cfg.maxBody, "max-body", httpapi.DefaultMaxBody, "largest request body in bytes")
	flags.StringVar(&cfg.debugListen, "debug-listen", "", "HOST:PORT for profiles under /debug/pprof/ (default none)")
	flags.StringVar(&gossip.listen, "gossip-listen", "127.0.0.1:7946", "HOST:PORT for other nodes; without effect as long as nodes do not replicate")
	flags.StringSliceVar(&gossip.join, "join", nil, "HOST:PORT[,HOST:PORT] of other nodes; refused as long as nodes do not replicate")
	flags.StringVar(&gossip.keyFile, "gossip-key-file", "", "file with the gossip keys; refused as long as nodes do not replicate")
	return cmd
}

// refuse reports flags that promise what a single node cannot keep.
func (g *gossipFlags) refuse() error {
	switch {
	case len(g.join) > 0:
		return errors.New("--join: this version runs one node alone, it does not replicate")
	case g.keyFile != "":
		return errors.New("--gossip-key-file: this version runs one node alone, it does not replicate")
	}
	if _, _, err := net.SplitHostPort(g.listen); err != nil {
		return fmt.Errorf("--gossip-listen: %w", err)
	}
	return nil
}
