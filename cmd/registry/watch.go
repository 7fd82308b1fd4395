package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newWatchCommand(app *cli) *cobra.Command {
	var flags keyFlags
	var opts client.WatchOptions
	var forever bool
	cmd := &cobra.Command{
		Use:   "watch KEY",
		Short: "Wait for a change of a key and print it",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client(app)
			if err != nil {
				return err
			}
			show := printValue
			if opts.Recursive {
				show = printChange
			}
			w := &changes{app: app, flags: &flags, watcher: c.Watch(args[0], opts), show: show}
			if forever {
				return w.forever(cmd.Context())
			}
			return w.next(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&forever, "forever", "f", false, "go on until interrupted, also while no node answers")
	cmd.Flags().Uint64Var(&opts.AfterIndex, "after-index", 0, "watch after this index; 0 means from now on")
	cmd.Flags().BoolVarP(&opts.Recursive, "recursive", "r", false, "watch all keys below as well")
	return newKeyCommand(app, cmd, &flags, 1)
}

// changes prints what a watcher sees.
type changes struct {
	app     *cli
	flags   *keyFlags
	watcher *client.Watcher
	show    func(io.Writer, *client.Response) error
}

// next waits for one change and prints it.
func (c *changes) next(ctx context.Context) error {
	resp, err := c.watcher.Next(ctx)
	if err != nil {
		return err
	}
	return c.flags.print(c.app.stdout, resp, c.show)
}

// forever ends well when it is interrupted, and badly when changes may have been missed.
func (c *changes) forever(ctx context.Context) error {
	for {
		err := c.next(ctx)
		switch {
		case errors.Is(err, context.Canceled):
			return nil
		case client.IsUnavailable(err):
			c.app.log.WarnContext(ctx, "waiting for a node", "error", err)
		case err != nil:
			return err
		}
	}
}

// printChange shows action, key and value, the last one empty for a removal or a directory.
func printChange(w io.Writer, resp *client.Response) error {
	_, err := fmt.Fprintf(w, "[%s] %s\n%s\n", resp.Action, resp.Node.Key, resp.Node.Value)
	return err
}
