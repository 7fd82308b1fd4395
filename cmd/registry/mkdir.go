package main

import (
	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newMkdirCommand(app *cli) *cobra.Command {
	var flags keyFlags
	cmd := &cobra.Command{Use: "mkdir KEY", Short: "Make a directory"}
	ttl := ttlFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		life, err := ttl.duration()
		if err != nil {
			return err
		}
		c, err := flags.client(app)
		if err != nil {
			return err
		}
		resp, err := c.Create(cmd.Context(), args[0], "", client.CreateOptions{TTL: life, Dir: true})
		if err != nil {
			return err
		}
		return flags.print(app.stdout, resp, printNothing)
	}
	return newKeyCommand(app, cmd, &flags, 1)
}
