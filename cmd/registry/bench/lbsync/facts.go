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
			kit.FirstLine(ctx, b.registry, "version"), kit.FirstLine(ctx, b.haproxy, "-v"), kit.FirstLine(ctx, b.nginx, "-v")),
		fmt.Sprintf("%d requests/s to each balancer; a host answers after %s", requestRate, answerTime),
	)
}
