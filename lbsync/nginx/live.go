package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"rollcall/lbsync"
)

var errNoGeneration = errors.New("the file carries no generation")

// Live asks nginx, on new connections, for the generation it serves. Nothing can be done without a reload. Without
// Verify there is nobody to ask, and only the old workers are counted.
func (d *Driver) Live(ctx context.Context, file []byte) (lbsync.Live, error) {
	seen := look(d.main)
	live := lbsync.Live{OldWorkers: seen.leaving}
	if d.conf.Verify == "" {
		live.Blind = true
		return live, nil
	}
	wanted := d.marker.of(file)
	if wanted == "" {
		return live, errNoGeneration
	}
	served, err := d.marker.served(ctx, wanted)
	if errors.Is(err, syscall.ECONNREFUSED) {
		if live.Running = len(seen.workers) > 0; live.Running {
			live.Reload = difference("", wanted)
		}
		return live, nil
	}
	if err != nil {
		return live, fmt.Errorf("ask nginx for its generation: %w", err)
	}
	live.Running, live.Reload = true, difference(served, wanted)
	return live, nil
}

// Plan is what Live finds. Without Verify it compares the files and looks for nginx in the process table.
func (d *Driver) Plan(ctx context.Context, file []byte) (lbsync.Plan, error) {
	live, err := d.Live(ctx, file)
	if err != nil || !live.Blind {
		return lbsync.Plan{Running: live.Running, Reload: live.Reload}, err
	}
	plan := lbsync.Plan{Running: len(look(d.main).workers) > 0}
	inPlace, err := os.ReadFile(d.conf.Config)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return plan, fmt.Errorf("file in place: %w", err)
	}
	if !bytes.Equal(inPlace, file) {
		plan.Reload = "the file in place is another one"
	}
	return plan, nil
}
