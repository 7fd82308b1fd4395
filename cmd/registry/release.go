package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newReleaseCommand(app *cli) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "release SERVICE",
		Short: "Let the held hosts of a service go",
		Long: `Let the hosts of a service go that a running lbsync holds in the pool although the
registry no longer lists them: you know that they are really gone.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{cmd: cmd, err: errors.New("service required")}
			}
			return keyArgs(1, 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer released
			path := strings.Replace(releasePath, "{name}", url.PathEscape(args[0]), 1)
			if err := flags.ask(cmd.Context(), http.MethodPost, path, &answer); err != nil {
				return err
			}
			_, err := fmt.Fprintf(app.stdout, "%s: %s released\n", args[0], plural(answer.Released, "host"))
			return err
		},
	}
	flags.register(cmd.Flags())
	return cmd
}
