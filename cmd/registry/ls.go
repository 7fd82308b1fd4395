package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newLsCommand(app *cli) *cobra.Command {
	var flags keyFlags
	var opts client.GetOptions
	var slash bool
	cmd := &cobra.Command{
		Use:   "ls [KEY]",
		Short: "List a directory",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.client(app)
			if err != nil {
				return err
			}
			resp, err := c.Get(cmd.Context(), append(args, "/")[0], opts)
			if err != nil {
				return err
			}
			return flags.print(app.stdout, resp, func(w io.Writer, resp *client.Response) error {
				return printListing(w, resp.Node, slash)
			})
		},
	}
	cmd.Flags().BoolVar(&opts.Sorted, "sort", false, "return the result in sorted order")
	cmd.Flags().BoolVarP(&opts.Recursive, "recursive", "r", false, "list all keys below as well")
	cmd.Flags().BoolVarP(&slash, "slash", "p", false, "append a slash to directories")
	cmd.Flags().BoolVarP(&opts.Quorum, "quorum", "q", false, "require a quorum for the read; for etcd servers")
	newKeyCommand(app, cmd, &flags, 1)
	cmd.Args = keyArgs(0, 1)
	return cmd
}

// printListing prints the keys in a directory, or the key of a file.
func printListing(w io.Writer, node *client.Node, slash bool) error {
	if !node.Dir {
		_, err := fmt.Fprintln(w, node.Key)
		return err
	}
	for _, child := range node.Nodes {
		end := ""
		if slash && child.Dir {
			end = "/"
		}
		if _, err := fmt.Fprintln(w, child.Key+end); err != nil {
			return err
		}
		if !child.Dir {
			continue
		}
		if err := printListing(w, child, slash); err != nil {
			return err
		}
	}
	return nil
}
