package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newMembersCommand(app *cli) *cobra.Command {
	var flags keyFlags
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List the nodes of the cluster",
		Long: `List the nodes that are alive as one of them sees it: itself first, then the others by
name, with the URLs for clients and the address for other nodes.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.client(app)
			if err != nil {
				return err
			}
			m, err := c.Members(cmd.Context())
			if err != nil {
				return err
			}
			if flags.json {
				_, err := fmt.Fprintf(app.stdout, "%s\n", bytes.TrimSpace(m.Raw))
				return err
			}
			return printMembers(app.stdout, m.Members)
		},
	}
	flags.register(cmd.Flags())
	return cmd
}

// printMembers prints a table, with a dash for what a member does not tell.
func printMembers(w io.Writer, members []client.Member) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tCLIENTS\tGOSSIP")
	for _, m := range members {
		fmt.Fprintf(table, "%s\t%s\t%s\n", cmp.Or(m.Name, "-"), joined(m.ClientURLs), joined(addresses(m.PeerURLs)))
	}
	return table.Flush()
}

func joined(texts []string) string { return cmp.Or(strings.Join(texts, ","), "-") }

// addresses returns URLs without their scheme: gossip is no HTTP.
func addresses(urls []string) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		_, out[i], _ = strings.Cut(u, "://")
		out[i] = cmp.Or(out[i], u)
	}
	return out
}
