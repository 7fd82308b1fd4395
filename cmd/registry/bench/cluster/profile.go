package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// profileFirst takes CPU profiles of the node that takes the changes and of one that receives them, during the
// registry's turn in the first round, if the command line asks for profiles. The function it returns waits for them.
func (b *bench) profileFirst(ctx context.Context, row string, c *cluster, round int) (finish func() error) {
	if b.profile == "" || c.name != nameRegistry || round > 0 {
		return func() error { return nil }
	}
	var group errgroup.Group
	for name, s := range map[string]*server{"writer": c.writer(), "receiver": c.others()[0]} {
		group.Go(func() error {
			path := filepath.Join(b.profile, row+"-"+name+".prof")
			if err := saveProfile(ctx, s.pprof, b.duration-time.Second, path); err != nil {
				return fmt.Errorf("profile a node (serve --debug-listen): %w", err)
			}
			return nil
		})
	}
	return group.Wait
}

// saveProfile asks a node for a profile of the time from now on.
func saveProfile(ctx context.Context, addr string, d time.Duration, path string) error {
	debug := &server{site: site{client: addr}}
	profile, err := debug.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%.0f", d.Seconds()))
	if err != nil {
		return err
	}
	return os.WriteFile(path, profile, 0o644)
}
