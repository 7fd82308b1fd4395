package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// calmAttempts is how often a turn is tried on a machine that others use too.
	calmAttempts = 3
	// calmWait bounds the wait for the machine to be quiet before a turn.
	calmWait = 15 * time.Second
	// calmLook is how long the machine is watched at a time.
	calmLook = time.Second
	// idleClusters is what the benchmark's own processes may use while none has its turn, in percent.
	idleClusters = 10
)

// errDisturbed says that a turn failed because the load could not be kept up.
var errDisturbed = errors.New("the load could not be kept up")

// A disturbed is the outcome of a turn that knows what others took of the processors meanwhile, in percent.
type disturbed interface{ disturbance() float64 }

// calmly does a turn when the machine is quiet, and again when others took more of its processors than -strangers
// allows. It returns the turn that was disturbed least, whatever its figures are.
func calmly[T disturbed](ctx context.Context, b *bench, turn func() (T, error)) (T, error) {
	var best T
	found := false
	for attempt := 1; ; attempt++ {
		if err := b.waitCalm(ctx); err != nil {
			return best, err
		}
		t, err := turn()
		switch {
		case err != nil && !errors.Is(err, errDisturbed):
			return best, err
		case err != nil:
			b.say("again: %v", err)
		case !found || t.disturbance() < best.disturbance():
			best, found = t, true
		}
		if found && (best.disturbance() <= b.strangers || attempt >= calmAttempts) {
			return best, nil
		}
		if attempt >= calmAttempts {
			return best, err
		}
		if err == nil {
			b.say("again: others took %.0f %% of the processors", t.disturbance())
		}
	}
}

// waitCalm waits until the machine has nearly nothing to do, but not for ever.
func (b *bench) waitCalm(ctx context.Context) error {
	for end := time.Now().Add(calmWait); time.Now().Before(end); {
		busy, err := machineBusy(ctx, calmLook)
		if err != nil {
			return err
		}
		if busy <= b.strangers+idleClusters {
			return nil
		}
	}
	return nil
}

// machineBusy is the part of all processors that is in use, in percent.
func machineBusy(ctx context.Context, d time.Duration) (float64, error) {
	var read [2]time.Duration
	for i := range read {
		var err error
		if read[i], err = kit.BusyTime(); err != nil {
			return 0, err
		}
		if i == 0 {
			if err := kit.Pause(ctx, d); err != nil {
				return 0, fmt.Errorf("wait for a quiet machine: %w", err)
			}
		}
	}
	return 100 * float64(read[1]-read[0]) / float64(d*time.Duration(runtime.NumCPU())), nil
}
