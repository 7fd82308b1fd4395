package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

func newSetCommand(app *cli) *cobra.Command {
	var flags keyFlags
	var opts client.SetOptions
	cmd := &cobra.Command{
		Use:   "set KEY [VALUE]",
		Short: "Set the value of a key; without VALUE it is read from standard input",
	}
	ttl := ttlFlag(cmd.Flags())
	cmd.Flags().StringVar(&opts.PrevValue, "swap-with-value", "", "set only if this is the present value")
	cmd.Flags().Uint64Var(&opts.PrevIndex, "swap-with-index", 0, "set only if this is the present modifiedIndex")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkCompared(cmd, "swap-with-value", "swap-with-index"); err != nil {
			return err
		}
		if opts.TTL, err = ttl.duration(); err != nil {
			return err
		}
		return flags.write(app, cmd, args, opts)
	}
	return newKeyCommand(app, cmd, &flags, 2)
}

// write is what set, mk and update have in common: one PUT whose answer shows the value.
func (f *keyFlags) write(app *cli, cmd *cobra.Command, args []string, opts client.SetOptions) error {
	return f.send(app, cmd, args, func(c *client.Client, value string) (*client.Response, error) {
		return c.Set(cmd.Context(), args[0], value, opts)
	})
}

// send gives a request the value from the command line or the input, and prints the value of its answer.
func (f *keyFlags) send(app *cli, cmd *cobra.Command, args []string,
	request func(c *client.Client, value string) (*client.Response, error),
) error {
	value, err := valueArg(app, cmd, args)
	if err != nil {
		return err
	}
	c, err := f.client(app)
	if err != nil {
		return err
	}
	resp, err := request(c, value)
	if err != nil {
		return err
	}
	return f.print(app.stdout, resp, printValue)
}

// checkCompared refuses a comparison with the empty value or the index 0: servers cannot make it, and leaving it out
// would make the request unconditional.
func checkCompared(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		flag := cmd.Flags().Lookup(name)
		if flag.Changed && flag.Value.String() == flag.DefValue {
			return &usageError{cmd: cmd, err: fmt.Errorf("--%s=%q cannot be compared with", name, flag.DefValue)}
		}
	}
	return nil
}
