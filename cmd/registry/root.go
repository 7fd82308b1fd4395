package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environment is what a run of the command gets from outside; tests make their own.
type environment struct {
	args           []string // without the program's name
	lookup         func(name string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
}

// cli is what the subcommands share. They read it when they run, not when they are made.
type cli struct {
	environment
	logging logFlags
	// log writes to stderr as the flags say. It is set before a subcommand runs.
	log   *slog.Logger
	build build
	// origins says where the flags of the subcommand are from. It is set before that runs.
	origins origins
}

// run is the whole program: it runs a subcommand until it is done or ctx ends, and returns the exit code.
func run(ctx context.Context, env environment) int {
	app := &cli{environment: env, log: slog.New(slog.DiscardHandler), build: readBuild()}
	root := newRootCommand(app) //nolint:contextcheck // The subcommands get ctx from ExecuteContext.
	root.SetArgs(env.args)
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	return report(env.stderr, root.ExecuteContext(ctx))
}

// The groups of subcommands in the help.
const (
	groupServices = "services"
	groupKeys     = "keys"
)

// etcdctlNames lets people write flags as etcdctl 2 does: those for TLS, and --endpoint for one endpoint.
func etcdctlNames(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "endpoint":
		name = "endpoints"
	case "ca-file":
		name = "cacert"
	case "cert-file":
		name = "cert"
	case "key-file":
		name = "key"
	}
	return pflag.NormalizedName(name)
}

// newRootCommand registers the subcommands. A new one needs a line here and a file of its own.
func newRootCommand(app *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "registry",
		Short: "A service registry for load balancers",
		Long: `Rollcall is a service registry for load balancers: hosts register under a key and
renew it by heartbeats, and load balancers follow.

Every flag can also come from the environment: --data-dir from ROLLCALL_DATA_DIR.
A flag on the command line wins. Those of serve can be in a file, too: see "registry config".`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return app.prepare(cmd) },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd: cmd, err: err} })
	root.SetGlobalNormalizationFunc(etcdctlNames)
	app.logging.register(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: groupServices, Title: "Services:"},
		&cobra.Group{ID: groupKeys, Title: "Keys, as with etcdctl:"},
	)
	addGroup(root, groupServices, newServeCommand(app), newMembersCommand(app), newLbsyncCommand(app), newAppliedCommand(app), newDemoCommand(app), newBackupCommand(app), newRestoreCommand(app), newImportCommand(app))
	addGroup(root, groupKeys,
		newGetCommand(app),
		newSetCommand(app),
		newMkCommand(app),
		newUpdateCommand(app),
		newLsCommand(app),
		newMkdirCommand(app),
		newRmCommand(app),
		newWatchCommand(app),
	)
	root.AddCommand(newHealthcheckCommand(app), newVersionCommand(app), newConfigCommand(app), newManCommand(app))
	for _, c := range root.Commands() {
		if c.ValidArgsFunction == nil {
			c.ValidArgsFunction = cobra.NoFileCompletions // Shells would offer files where no argument is wanted.
		}
	}
	return root
}

func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// prepare completes the flags from the environment and the file, and makes the logger. It runs before each subcommand; one with a
// PersistentPreRunE of its own has to call it.
func (app *cli) prepare(cmd *cobra.Command) error {
	if err := app.complete(cmd); err != nil {
		return err
	}
	log, err := app.logging.logger(app.stderr)
	if err != nil {
		return &usageError{cmd: cmd, err: app.origins.locate(err)}
	}
	app.log = log
	return nil
}

// unknownCommand answers a first word that names no subcommand.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{cmd: cmd, err: errors.New(text)}
}
