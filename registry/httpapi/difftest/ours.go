package difftest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"

	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// StartOurs runs a Rollcall node of the given kind in this process, on a real TCP listener, until the test ends.
func StartOurs(tb testing.TB, kind Kind) *Target {
	tb.Helper()
	return StartStore(tb, kind, registry.New(registry.Options{RenewalEvents: kind == Letter}))
}

// StartStore is StartOurs with a store that the test made itself.
func StartStore(tb testing.TB, kind Kind, store *registry.Store) *Target {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	url := "http://" + listener.Addr().String()
	handler := httpapi.New(store, httpapi.Options{Name: "node", Cluster: "difftest", ClientURLs: []string{url}, Version: "0"})
	server := httpapi.NewServer(handler, slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelError})))

	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var running sync.WaitGroup
	running.Go(func() { store.Run(ctx) })
	running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			tb.Errorf("serve: %v", err)
		}
	})
	target := NewTarget(kind, url)
	tb.Cleanup(func() {
		target.Close()
		_ = server.Close()
		cancel()
		running.Wait()
	})
	return target
}
