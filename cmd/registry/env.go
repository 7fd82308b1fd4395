package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envName is the variable that stands in for a flag: data-dir becomes ROLLCALL_DATA_DIR.
func envName(flag string) string {
	return "ROLLCALL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagsFromEnv sets the flags that the command line leaves out. An empty variable counts as none. Variables that name
// no flag are left alone: Kubernetes sets a dozen of its own, like ROLLCALL_PORT, for a service called rollcall.
func flagsFromEnv(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(envName(f.Name))
		if err != nil || f.Changed || !ok || value == "" || f.Name == "help" {
			return
		}
		if e := cmd.Flags().Set(f.Name, value); e != nil {
			err = &usageError{cmd: cmd, err: fmt.Errorf("%s=%q: %w", envName(f.Name), value, e)}
		}
	})
	return err
}
