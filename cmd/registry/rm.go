package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newRmCommand(app *cli) *cobra.Command {
	var flags keyFlags
	var opts client.DeleteOptions
	cmd := &cobra.Command{
		Use:   "rm KEY",
		Short: "Remove a key or a directory",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkCompared(cmd, "with-value", "with-index"); err != nil {
				return err
			}
			c, err := flags.client(app)
			if err != nil {
				return err
			}
			resp, err := c.Delete(cmd.Context(), args[0], opts)
			if err != nil {
				return err
			}
			return flags.print(app.stdout, resp, printRemoved)
		},
	}
	cmd.Flags().BoolVar(&opts.Dir, "dir", false, "remove the key if it is an empty directory or a file")
	cmd.Flags().BoolVarP(&opts.Recursive, "recursive", "r", false, "remove a directory and all below it")
	cmd.Flags().StringVar(&opts.PrevValue, "with-value", "", "remove only if this is the present value")
	cmd.Flags().Uint64Var(&opts.PrevIndex, "with-index", 0, "remove only if this is the present modifiedIndex")
	return newKeyCommand(app, cmd, &flags, 1)
}

// printRemoved shows the value that is gone, in etcdctl's words, which has none after a comparison.
func printRemoved(w io.Writer, resp *client.Response) error {
	switch {
	case resp.Node.Dir:
		return nil
	case resp.Action != client.ActionDelete || resp.PrevNode == nil:
		return printValue(w, resp)
	}
	_, err := fmt.Fprintln(w, "PrevNode.Value:", resp.PrevNode.Value)
	return err
}
