package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// errPartEnded is the failure of a part that ends before it is stopped, without an error of its own.
var errPartEnded = errors.New("a part of the program has ended")

// parts are goroutines that need each other: those that were started first are stopped last.
type parts struct {
	failed chan error // The first failure; later ones are found by stop.
	stops  []func() error
}

func newParts() *parts {
	return &parts{failed: make(chan error, 1)}
}

// start runs a part until stop. It outlives ctx, so that the parts that need it can end well.
func (p *parts) start(ctx context.Context, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			select {
			case p.failed <- cmp.Or(err, errPartEnded):
				err = nil
			default:
			}
		}
		done <- err
	}()
	p.onStop(func() error {
		cancel()
		return <-done
	})
}

// onStop adds what stop has to do before all that was added earlier.
func (p *parts) onStop(f func() error) {
	p.stops = append(p.stops, f)
}

// wait blocks until ctx ends, which is no error, or a part fails.
func (p *parts) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return err
	}
}

// waitFor blocks until ready is closed. It fails when a part does, when ctx ends, and when it takes too long.
func (p *parts) waitFor(ctx context.Context, ready <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, demoStart)
	defer cancel()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case err := <-p.failed:
		return err
	}
}

// stop ends the parts one after the other, the last one first, and returns what went wrong.
func (p *parts) stop() error {
	var errs []error
	for _, f := range slices.Backward(p.stops) {
		errs = append(errs, f())
	}
	p.stops = nil
	return errors.Join(errs...)
}
