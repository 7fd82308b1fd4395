package lbtest

import (
	"context"
	"testing"

	"rollcall/lbsync"
)

// Run runs a Syncer until the test ends or the returned function is called.
func Run(t *testing.T, s *lbsync.Syncer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}
