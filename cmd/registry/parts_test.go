package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestPartsStopInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newParts()
		var ended []string
		ctx, cancel := context.WithCancel(t.Context())
		for _, name := range []string{"node", "frontend", "balancer"} {
			p.start(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // A part takes its time, and those that it needs are there meanwhile.
				ended = append(ended, name)
				return nil
			})
		}
		cancel()
		synctest.Wait()
		if err := p.wait(ctx); err != nil || len(ended) > 0 {
			t.Fatalf("wait: %v; ended before the stop: %v", err, ended)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if want := []string{"balancer", "frontend", "node"}; !slices.Equal(ended, want) {
			t.Errorf("ended %v, want %v", ended, want)
		}
	})
}

func TestPartsFail(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct{ returned, want error }{{broken, broken}, {nil, errPartEnded}} {
		synctest.Test(t, func(t *testing.T) {
			p := newParts()
			p.start(t.Context(), func(context.Context) error { return c.returned })
			p.start(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return errors.New("late") })
			if err := p.waitFor(t.Context(), make(chan struct{})); !errors.Is(err, c.want) {
				t.Errorf("waitFor: %v, want %v", err, c.want)
			}
			if err := p.stop(); err == nil || err.Error() != "late" {
				t.Errorf("stop: %v, want the other part's error alone", err)
			}
		})
	}
}

func TestWaitForIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if err := newParts().waitFor(t.Context(), make(chan struct{})); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waitFor: %v", err)
		}
	})
}
