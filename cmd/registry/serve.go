package main

import (
	"github.com/spf13/cobra"

	"rollcall/registry/httpapi"
)

func newServeCommand(app *cli) *cobra.Command {
	var cfg nodeConfig
	var checkOnly bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a registry node",
		Long: `Run a registry node: it serves etcd's v2 keys API to hosts, balancers and people,
with /metrics, /livez and /readyz beside it.

With --join nodes replicate: any of them takes writes and answers reads, and the others
have them within milliseconds. List all nodes on each of them; they may be started in
any order. Without --join and --gossip-listen the node runs alone.

With --data-dir an entry without a TTL is on disk before its write is answered, and
entries with one get there within a second. After a restart all of them are back, and
leases begin anew. Without it everything is in memory only. A node whose data directory
is damaged says so and does not start; with --resync it takes everything from the others.

With --config the settings come from a YAML file whose keys are the flags, with _ for -;
flags and the environment win over it. --check-config says whether all is well with them,
and "registry config" which value each has and why.

With --lbsync the node also does what "registry lbsync" does, for balancers on the same
machine. It follows itself unless the file names endpoints, its figures join the node's
/metrics, and SIGHUP reads the file again.

With --tls-cert and --tls-key clients use https on the same port, which then speaks no
plain HTTP. Gossip is encrypted apart from that, see --gossip-key-file.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.validate(); err != nil {
				return &usageError{cmd: cmd, err: app.origins.locate(err)}
			}
			if checkOnly {
				return app.reportCheck(cfg.check(app.log))
			}
			if cfg.lbsync != "" {
				reload, stop := hangups()
				defer stop()
				cfg.reload = reload
			}
			if cfg.tls.isOn() {
				reload, stop := hangups()
				defer stop()
				cfg.tls.reload = reload
			}
			cfg.notify = newNotifier(app.lookup, app.log)
			n, err := newNode(cmd.Context(), cfg, app.build.Version, app.log)
			if err != nil {
				return err
			}
			return n.Run(cmd.Context())
		},
	}
	addConfigFile(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&checkOnly, "check-config", false, "only check flags, environment and all files that they name, and end")
	flags.StringVar(&cfg.name, "name", "", "name of the node, unique in the cluster (default the host's name)")
	flags.StringVar(&cfg.dataDir, "data-dir", "", "directory for what survives a restart (default none: all is in memory only)")
	flags.BoolVar(&cfg.resync, "resync", false, "set aside what is in the data directory and take everything from the other nodes")
	flags.StringVar(&cfg.listen, "listen", "127.0.0.1:4001", "HOST:PORT for clients")
	flags.StringSliceVar(&cfg.advertise, "advertise", nil, "URL[,URL] under which clients reach the node (default made from --listen; give it when that is 0.0.0.0)")
	flags.BoolVar(&cfg.renewalEvents, "renewal-events", false, "make each heartbeat an event, to the letter as etcd; every one then wakes all watches")
	flags.Int64Var(&cfg.maxBody, "max-body", httpapi.DefaultMaxBody, "largest request body in bytes")
	flags.BoolVar(&cfg.etcdMetrics, "etcd-metrics", false, "show etcd's names on /metrics, too, for dashboards made for etcd")
	flags.StringVar(&cfg.debugListen, "debug-listen", "", "HOST:PORT for profiles under /debug/pprof/ (default none)")
	flags.StringVar(&cfg.lbsync, "lbsync", "", "path of an lbsync.yaml: keep HAProxy and nginx of this machine in step, too (default none)")
	cfg.tls.register(flags)
	cfg.limits.register(flags)
	cfg.gossip.register(flags)
	return cmd
}
