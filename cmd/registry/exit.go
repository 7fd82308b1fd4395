package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rollcall/registry/client"
)

// The exit codes, those of etcdctl where it has them.
const (
	exitFailure     = 1   // Wrong usage, or a failure on this machine.
	exitUnavailable = 2   // No node answers, or its answer to a write was lost.
	exitRefused     = 4   // A node has answered, and the answer is no.
	exitTimeout     = 5   // What was waited for has not come in time; applied alone.
	exitInterrupted = 130 // Ended by an interrupt before it was done.
)

// usageError is a mistake on the command line or in the environment.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// codeError is a failure with an exit code of its own.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// report prints an error, with a hint where one helps, and returns the exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && !client.IsOutcomeUnknown(err) {
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "Error:  %v\n", err)
	if usage, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", usage.cmd.CommandPath())
		return exitFailure
	}
	return exitCode(err)
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*codeError](err); ok {
		return e.code
	}
	if client.IsUnavailable(err) || client.IsOutcomeUnknown(err) {
		return exitUnavailable
	}
	if _, refused := errors.AsType[*client.Error](err); refused || client.IsLostPlace(err) {
		return exitRefused
	}
	return exitFailure
}

// keyArgs wants between low and high arguments, and names the missing one.
func keyArgs(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < low:
			return &usageError{cmd: cmd, err: errors.New("key required")}
		case len(args) > high:
			return &usageError{cmd: cmd, err: fmt.Errorf("unexpected argument %q", args[high])}
		}
		return nil
	}
}
