package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// beatInterval is how often a service tells systemd how it fares, if no watchdog asks for more.
	beatInterval = 10 * time.Second
	// beatAtStart is how often it looks whether it is ready, so that nobody waits for it in vain.
	beatAtStart = 100 * time.Millisecond
	// startExtension is how much longer a start may take after each sign of life. It bears a few that come late.
	startExtension = 5 * beatInterval
	// notifyTimeout bounds a message: systemd that does not read must not stop a node.
	notifyTimeout = time.Second
)

// A notifier tells systemd how the service fares (sd_notify(3)). A nil one tells nobody, and its pulse never comes. It is
// safe for concurrent use.
type notifier struct {
	conn  net.Conn
	every time.Duration
	pulse *time.Ticker
	log   *slog.Logger

	mu     sync.Mutex // guards what follows, and keeps the order of messages
	ready  bool
	ending bool
	status string
	failed bool
}

// newNotifier returns nil when no service manager wants to know.
func newNotifier(lookup func(string) (string, bool), log *slog.Logger) *notifier {
	path, _ := lookup("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		log.Warn("systemd cannot be told how the service fares", "error", err)
		return nil
	}
	return notifierTo(conn, watchdog(lookup), log)
}

func notifierTo(conn net.Conn, limit time.Duration, log *slog.Logger) *notifier {
	n := &notifier{conn: conn, every: beatInterval, log: log, pulse: time.NewTicker(beatAtStart)}
	if limit > 0 {
		n.every = min(n.every, limit/2)
	}
	return n
}

// watchdog is after which silence systemd takes the service for dead; 0 is never.
func watchdog(lookup func(string) (string, bool)) time.Duration {
	if pid, ok := lookup("WATCHDOG_PID"); ok && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	text, _ := lookup("WATCHDOG_USEC")
	usec, err := strconv.ParseInt(text, 10, 64)
	if err != nil || usec < 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// C is when the next sign of life is due.
func (n *notifier) C() <-chan time.Time {
	if n == nil {
		return nil
	}
	return n.pulse.C
}

// run gives signs of life until ctx ends. While vitals hangs, which says in a line how the service fares, there is none.
func (n *notifier) run(ctx context.Context, vitals func() string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.C():
			n.beat(vitals())
		}
	}
}

// beat is a sign of life. Whoever calls it has just done what a stuck service cannot do.
func (n *notifier) beat(status string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := []string{"WATCHDOG=1"}
	if !n.ready {
		lines = append(lines, "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(startExtension.Microseconds(), 10))
	}
	if status != n.status {
		n.status = status
		lines = append(lines, "STATUS="+status)
	}
	n.sendLocked(lines...)
}

// setReady tells that the service does its work. Only the first call counts.
func (n *notifier) setReady() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready {
		return
	}
	n.ready = true
	n.sendLocked("READY=1")
	n.pulse.Reset(n.every)
}

// reload has systemd wait until f has read the configuration again. Before the service is ready it waits anyway.
func (n *notifier) reload(f func()) {
	if n.isReady() {
		n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(monotonicMicroseconds(), 10))
		defer n.send("READY=1")
	}
	f()
}

func (n *notifier) isReady() bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ready
}

// stopping tells that the service ends. Only the first call counts, and each returns when that has been told: what has
// begun when a context ended is called once more before the process does.
func (n *notifier) stopping() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ending {
		return
	}
	n.ending = true
	n.sendLocked("STOPPING=1", "STATUS=stopping")
}

func (n *notifier) send(lines ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sendLocked(lines...)
}

// sendLocked sends one message. The first failure is logged.
func (n *notifier) sendLocked(lines ...string) {
	_ = n.conn.SetWriteDeadline(time.Now().Add(notifyTimeout)) // Without a deadline the next line fails, too.
	_, err := n.conn.Write([]byte(strings.Join(lines, "\n")))
	if err != nil && !n.failed {
		n.failed = true
		n.log.Warn("systemd does not take messages", "error", err)
	}
}
