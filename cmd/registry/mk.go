package main

import (
	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newMkCommand(app *cli) *cobra.Command {
	var flags keyFlags
	var inOrder bool
	cmd := &cobra.Command{
		Use:   "mk KEY [VALUE]",
		Short: "Make a key that does not exist; without VALUE it is read from standard input",
	}
	ttl := ttlFlag(cmd.Flags())
	cmd.Flags().BoolVar(&inOrder, "in-order", false, "make an in-order key in the directory KEY")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		life, err := ttl.duration()
		if err != nil {
			return err
		}
		if inOrder {
			return flags.send(app, cmd, args, func(c *client.Client, value string) (*client.Response, error) {
				return c.CreateInOrder(cmd.Context(), args[0], value, client.CreateOptions{TTL: life})
			})
		}
		return flags.write(app, cmd, args, client.SetOptions{TTL: life, PrevExist: client.PrevAbsent})
	}
	return newKeyCommand(app, cmd, &flags, 2)
}
