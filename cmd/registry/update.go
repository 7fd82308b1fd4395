package main

import (
	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newUpdateCommand(app *cli) *cobra.Command {
	var flags keyFlags
	cmd := &cobra.Command{
		Use:   "update KEY [VALUE]",
		Short: "Set the value of a key that exists; without VALUE it is read from standard input",
	}
	ttl := ttlFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		life, err := ttl.duration()
		if err != nil {
			return err
		}
		return flags.write(app, cmd, args, client.SetOptions{TTL: life, PrevExist: client.PrevPresent})
	}
	return newKeyCommand(app, cmd, &flags, 2)
}
