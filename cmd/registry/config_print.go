package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newConfigCommand(app *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration of a node, and where each setting is from",
		Long: `Print the configuration that "registry serve" would have with the same flags, in the
same environment and with the same file, and where each setting is from. What it prints
is a configuration file itself. Secrets are not shown.`,
		Args: keyArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printConfig(app.stdout, cmd.Flags(), app.origins)
		},
	}
	addConfigFile(cmd)
	cmd.Flags().AddFlagSet(newServeCommand(app).Flags())
	return cmd
}

// printConfig writes one line for each setting. What has no place in a file is a comment.
func printConfig(w io.Writer, flags *pflag.FlagSet, from origins) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == configFlag || f.Name == "check-config" || f.Name == "help" {
			return
		}
		o, value, comment := from.of(f.Name), yamlValue(f), ""
		if slices.Contains(notInFile, f.Name) {
			comment = "# "
		}
		if isSecret(f.Name) && f.Changed {
			comment, value = "# ", "(not shown)"
		}
		fmt.Fprintf(table, "%s%s: %s\t# %s\n", comment, yamlKey(f.Name), value, strings.TrimSpace(o.source+" "+o.place))
	})
	return table.Flush()
}

// secretName matches the names of flags whose values nobody must see. The path of a file with a secret is none.
var secretName = regexp.MustCompile(`(^|-)(token|password|secret|(private|api)-key)$`)

func isSecret(flag string) bool { return secretName.MatchString(flag) }

// password matches that of a URL.
var password = regexp.MustCompile(`(://[^/@:\s]*):[^@/\s]*@`)

// yamlValue is the value of a flag in YAML.
func yamlValue(f *pflag.Flag) string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var values []string
		for _, v := range list.GetSlice() {
			values = append(values, quoted(v))
		}
		return "[" + strings.Join(values, ", ") + "]"
	}
	if f.Value.Type() != "string" {
		return f.Value.String()
	}
	return quoted(f.Value.String())
}

// plain matches what needs no quotes in YAML, wherever it stands.
var plain = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/._-]*(:[0-9]+)?$`)

func quoted(value string) string {
	value = password.ReplaceAllString(value, "$1:xxxxx@")
	if plain.MatchString(value) && !strings.EqualFold(value, "null") {
		return value
	}
	text, err := json.Marshal(value)
	if err != nil {
		return `""` // Strings are always marshalled.
	}
	return string(text)
}
