package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// valuesOf are values that flags of a type accept.
var valuesOf = map[string]string{
	"bool": "true", "string": "x", "stringSlice": "x,y", "duration": "7s", "uint64": "7", "int64": "7", "int": "7", "float64": "7.5",
}

// TestEveryFlagFromTheEnvironment goes through all flags of all subcommands, also of those to come.
func TestEveryFlagFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, name := range subcommands() {
		eachFlag(name, func(cmd *cobra.Command, f *pflag.Flag) {
			value, known := valuesOf[f.Value.Type()]
			if !known {
				t.Fatalf("%s --%s: add a value for the type %s to this test", name, f.Name, f.Value.Type())
			}
			lookup := func(n string) (string, bool) { return value, n == envName(f.Name) }
			if err := flagsFromEnv(cmd, lookup); err != nil || !f.Changed {
				t.Errorf("%s: %s does not set --%s: %v", name, envName(f.Name), f.Name, err)
			}
			if err := flagsFromEnv(cmd, func(n string) (string, bool) { return "!", n == envName(f.Name) }); err != nil {
				t.Errorf("%s --%s: a flag that is set is read again: %v", name, f.Name, err)
			}
		})
	}
}

func TestEnvName(t *testing.T) {
	t.Parallel()
	if got := envName("gossip-key-file"); got != "ROLLCALL_GOSSIP_KEY_FILE" {
		t.Errorf("envName = %q", got)
	}
}

// subcommands are the names of our own: cobra's help and completion have no settings.
func subcommands() []string {
	var names []string
	for _, c := range newRootCommand(&cli{}).Commands() {
		names = append(names, c.Name())
	}
	return names
}

// eachFlag visits the flags of a subcommand, each in a fresh tree of commands.
func eachFlag(name string, visit func(*cobra.Command, *pflag.Flag)) {
	find := func() *cobra.Command {
		cmd, _, err := newRootCommand(&cli{}).Find([]string{name})
		if err != nil || !strings.HasPrefix(cmd.Use, name) {
			panic("no subcommand " + name)
		}
		cmd.InheritedFlags() // Adds the root's flags to the command's own, as parsing does.
		return cmd
	}
	find().Flags().VisitAll(func(f *pflag.Flag) {
		cmd := find()
		visit(cmd, cmd.Flags().Lookup(f.Name))
	})
}
