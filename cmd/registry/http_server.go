package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"rollcall/registry/httpapi"
)

// stopTimeout bounds a graceful stop: running requests may end, watches are released
// at once. It leaves some of the ten seconds that supervisors usually give.
const stopTimeout = 6 * time.Second

// serve runs a server on a listener until the context ends, and stops it within
// stopTimeout.
func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	return serveWith(ctx, httpapi.NewServer(h, log), l, log)
}

// serveWith is serve with a server of the caller's.
func serveWith(ctx context.Context, server *http.Server, l net.Listener, log *slog.Logger) error {
	requests, releaseWatches := context.WithCancel(context.WithoutCancel(ctx))
	defer releaseWatches()
	server.BaseContext = func(net.Listener) context.Context { return requests }
	server.RegisterOnShutdown(releaseWatches)
	stopped := make(chan error, 1)
	stopWaiting := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err := server.Shutdown(limit)
		if errors.Is(err, context.DeadlineExceeded) {
			log.Warn("some requests did not end in time and were cut off", "timeout", stopTimeout.String())
			err = server.Close()
		}
		stopped <- err
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stopWaiting()
		return err
	}
	return <-stopped
}

func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// reachable turns a listening address into one that clients can dial: for a wildcard
// the first address of this machine that is not a loopback's, which is a guess where
// there are several, else the loopback.
func reachable(addr *net.TCPAddr) string {
	host := addr.IP
	if host.IsUnspecified() {
		host = net.IPv4(127, 0, 0, 1)
		if addrs, err := net.InterfaceAddrs(); err == nil {
			for _, a := range addrs {
				if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
					host = ip.IP
					break
				}
			}
		}
	}
	return net.JoinHostPort(host.String(), strconv.Itoa(addr.Port))
}
