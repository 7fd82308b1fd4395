package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newGetCommand(app *cli) *cobra.Command {
	var flags keyFlags
	var opts client.GetOptions
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the value of a key",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client(app)
			if err != nil {
				return err
			}
			resp, err := c.Get(cmd.Context(), args[0], opts)
			if err != nil {
				return err
			}
			return flags.print(app.stdout, resp, printFile)
		},
	}
	cmd.Flags().BoolVar(&opts.Sorted, "sort", false, "return the result in sorted order")
	cmd.Flags().BoolVarP(&opts.Quorum, "quorum", "q", false, "require a quorum for the read; for etcd servers")
	return newKeyCommand(app, cmd, &flags, 1)
}

var errIsDirectory = errors.New("is a directory")

func printFile(w io.Writer, resp *client.Response) error {
	if resp.Node.Dir {
		return fmt.Errorf("%s: %w", resp.Node.Key, errIsDirectory)
	}
	return printValue(w, resp)
}
