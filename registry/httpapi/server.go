package httpapi

import (
	"context"
	stdlog "log"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Time-outs of a connection. A watch has none while it waits.
const (
	readHeaderTimeout = 10 * time.Second // a request line that drips is cut off
	readTimeout       = 30 * time.Second // 1 MiB from a very slow client still fits
	writeTimeout      = 30 * time.Second // a large listing to a very slow client still fits
	idleTimeout       = 5 * time.Minute  // longer than hosts' usual heartbeat intervals
	watchWriteTimeout = 30 * time.Second // for one event, or block of a backup, to a client that does not read
)

// NewServer returns a server for the handler with the time-outs of a client port.
// What net/http has to say is about clients and goes to the logger at level debug,
// except for panics and for connections that cannot be accepted.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          stdlog.New(&serverLog{log: log}, "", 0),
	}
}

// acceptPause is how long failures to accept are quiet after one was logged: without
// file descriptors left there are hundreds a second.
const acceptPause = 10 * time.Second

// serverLog sorts the lines of net/http by level.
type serverLog struct {
	log      *slog.Logger
	accepted atomic.Int64 // Unix time in nanoseconds of the last failure to accept that was logged
}

// Write takes one line.
func (l *serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelDebug
	switch {
	case strings.HasPrefix(text, "http: panic"):
		level = slog.LevelError
	case strings.HasPrefix(text, "http: Accept error"):
		now, last := time.Now().UnixNano(), l.accepted.Load()
		if now-last >= int64(acceptPause) && l.accepted.CompareAndSwap(last, now) {
			level = slog.LevelWarn
		}
	}
	l.log.Log(context.Background(), level, "http server", "text", text)
	return len(line), nil
}
