// Registry is the one command of Rollcall: a service registry for load balancers.
//
// Each subcommand is one file with a constructor, listed in root.go. The command is the only package that sees all
// others; what it does itself is to read flags, wire the parts together and turn errors into exit codes.
//
// Exit codes are those of etcdctl for API 2: 0 done, 1 wrong usage or a failure on this machine, 2 no node answers,
// 4 the node refuses. After an interrupt it is 130.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, environment{
		args: os.Args[1:], lookup: os.LookupEnv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
