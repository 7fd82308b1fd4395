package main

import (
	"context"
	"fmt"
	"runtime"

	"rollcall/cmd/registry/bench/kit"
)

// machineFacts says where the figures come from, for the head of the report.
func (b *bench) machineFacts(ctx context.Context) []string {
	return append(kit.Machine(),
		fmt.Sprintf("software: %s, %s, %s, %s", runtime.Version(),
			kit.FirstLine(ctx, b.registry, "version"), kit.FirstLine(ctx, b.etcd, "--version"), kit.FirstLine(ctx, b.wrk, "--version")),
		"data directories: "+b.fileSystem(ctx),
		fmt.Sprintf("%d rounds, %s a turn; %s a count of gossip; two clusters of %d nodes", b.rounds, b.duration, b.window, nodes),
	)
}

// fileSystem is the kind of file system that holds the data.
func (b *bench) fileSystem(ctx context.Context) string {
	return kit.FileSystem(ctx, b.work)
}
