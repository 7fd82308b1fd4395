package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The sources of a setting, the strongest first.
const (
	fromFlag        = "flag"
	fromEnvironment = "environment"
	fromFile        = "file"
	fromDefault     = "default"
)

// An origin says where the value of a flag is from.
type origin struct {
	source string
	place  string // The flag, the variable, or FILE:LINE:COLUMN; empty for the default.
}

// origins are those of a command's flags by name. A flag that is missing has its default.
type origins map[string]origin

// note records where the flags are from that have been set since the last call.
func (o origins) note(flags *pflag.FlagSet, source string, place func(flag string) string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if _, known := o[f.Name]; f.Changed && !known {
			o[f.Name] = origin{source, place(f.Name)}
		}
	})
}

// of is where a flag's value is from.
func (o origins) of(flag string) origin {
	if from, ok := o[flag]; ok {
		return from
	}
	return origin{source: fromDefault}
}

// complete gives the flags that the command line leaves out the values of the environment, and those that are still left
// the values of the configuration file, if the command has one.
func (app *cli) complete(cmd *cobra.Command) error {
	app.origins = origins{}
	app.origins.note(cmd.Flags(), fromFlag, func(flag string) string { return "--" + flag })
	if err := flagsFromEnv(cmd, app.lookup); err != nil {
		return err
	}
	app.origins.note(cmd.Flags(), fromEnvironment, envName)
	path, ok := configFileOf(cmd)
	if !ok {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	places, err := flagsFromFile(cmd, path, text)
	app.origins.note(cmd.Flags(), fromFile, func(flag string) string { return places[flag] })
	return err
}

// flagName finds the flags in an error of a validation.
var flagName = regexp.MustCompile(`--([a-z][a-z-]*)`)

// locate adds to an error that names flags where the values are from, when that is not the command line.
func (o origins) locate(err error) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		found := flagName.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		if from := o.of(found[1]); from.source == fromFile || from.source == fromEnvironment {
			lines[i] = from.place + ": " + line
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}
