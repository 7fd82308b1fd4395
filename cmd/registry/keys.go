package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rollcall/registry/client"
)

// defaultEndpoint is where a node listens unless it is told otherwise.
const defaultEndpoint = "http://127.0.0.1:4001"

// keyFlags are the flags that all commands on keys share.
type keyFlags struct {
	endpoints []string
	timeout   time.Duration
	json      bool
	tls       client.TLSFiles
}

func (f *keyFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.endpoints, "endpoints", []string{defaultEndpoint}, "URLs of the nodes, in order of preference")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "time-out of one attempt at one node")
	flags.BoolVar(&f.json, "json", false, "print the node's answer as it is")
	registerClientTLS(flags, &f.tls)
}

// client returns a client as the flags say.
func (f *keyFlags) client(app *cli) (*client.Client, error) {
	if f.timeout <= 0 {
		return nil, fmt.Errorf("--timeout %v: must be positive", f.timeout)
	}
	conf, err := f.tls.Config()
	if err != nil {
		return nil, err
	}
	return client.New(f.endpoints, client.Options{Timeout: f.timeout, TLS: conf, Logger: app.log})
}

// newKeyCommand gives a command the flags, the completion and the argument check of a command on keys.
func newKeyCommand(app *cli, cmd *cobra.Command, flags *keyFlags, maxArgs int) *cobra.Command {
	flags.register(cmd.Flags())
	cmd.Args = keyArgs(1, maxArgs)
	cmd.ValidArgsFunction = completeKeys(app, flags)
	return cmd
}

// print writes the answer as it came with --json, and else by show.
func (f *keyFlags) print(w io.Writer, resp *client.Response, show func(io.Writer, *client.Response) error) error {
	if f.json {
		_, err := fmt.Fprintf(w, "%s\n", bytes.TrimSpace(resp.Raw))
		return err
	}
	if resp.Node == nil {
		return errors.New("the node's answer does not tell about the key")
	}
	return show(w, resp)
}

// printValue shows what etcdctl shows of a file: its value.
func printValue(w io.Writer, resp *client.Response) error {
	_, err := fmt.Fprintln(w, resp.Node.Value)
	return err
}

// printNothing is for commands that are silent when all went well.
func printNothing(io.Writer, *client.Response) error { return nil }

// valueArg is the second argument, or what stands on standard input when there is none.
func valueArg(app *cli, cmd *cobra.Command, args []string) (string, error) {
	if len(args) > 1 {
		return args[1], nil
	}
	missing := &usageError{cmd: cmd, err: errors.New("value required")}
	if isTerminal(app.stdin) {
		return "", missing
	}
	value, err := io.ReadAll(app.stdin)
	if err != nil {
		return "", fmt.Errorf("read value: %w", err)
	}
	if len(value) == 0 {
		return "", missing
	}
	return string(value), nil
}

// ttlFlag adds --ttl, in seconds as with etcdctl.
func ttlFlag(flags *pflag.FlagSet) *secondsValue {
	var ttl secondsValue
	flags.Uint64Var((*uint64)(&ttl), "ttl", 0, "key time-to-live in seconds; 0 means for good")
	return &ttl
}

// secondsValue is a number of seconds given on the command line.
type secondsValue uint64

// duration fails above 292 years, which is all that a time.Duration holds.
func (s secondsValue) duration() (time.Duration, error) {
	if s > secondsValue(math.MaxInt64/time.Second) {
		return 0, fmt.Errorf("--ttl %d: too large", uint64(s))
	}
	return time.Duration(s) * time.Second, nil
}
