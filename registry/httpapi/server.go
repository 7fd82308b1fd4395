package httpapi

import (
	"log/slog"
	"net/http"
	"time"
)

// Time-outs of a connection. Watches have none of their own, but see
// watchWriteTimeout.
const (
	readHeaderTimeout = 10 * time.Second // a request line that drips is cut off
	readTimeout       = 30 * time.Second // 1 MiB from a very slow client still fits
	writeTimeout      = 30 * time.Second // a large listing to a very slow client still fits
	idleTimeout       = 5 * time.Minute  // longer than hosts' usual heartbeat intervals
)

// NewServer returns a server for the handler with the time-outs of a client port.
// What net/http has to say goes to the logger at level debug: it is about clients.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
