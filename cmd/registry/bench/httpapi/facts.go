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
		fmt.Sprintf("data directories: %s; %s for etcd on tmpfs", b.fileSystem(ctx, b.work), b.fileSystem(ctx, b.tmpWork)),
		fmt.Sprintf("%d rounds, %s a turn, wrk with %d threads and %d connections",
			b.rounds, b.duration, wrkThreads, wrkConnections),
	)
}

// fileSystem is the kind of file system below dir.
func (b *bench) fileSystem(ctx context.Context, dir string) string {
	if dir == "" {
		return "none"
	}
	return kit.FileSystem(ctx, dir)
}
