package gossip

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// logBurst is how many lines of memberlist of a kind are passed on a minute. They are
// told apart by their words, without names, numbers and addresses.
const logBurst = 3

// lines reads the lines of memberlist's log: it brings them to slog's levels, a few of a
// kind a minute, and counts what only the log tells.
type lines struct {
	log    *slog.Logger
	intake *intake
	limit  *limiter
	alien  *limiter // of warnings about a remote address

	dropped  atomic.Uint64 // messages that memberlist had no room for
	rejected atomic.Uint64 // packets and streams with another key or label
	quiet    atomic.Bool   // the node is stopping

	unanswered atomic.Uint64 // probes without an answer
	fallbacks  atomic.Uint64 // probes that were answered by TCP alone
}

func newLines(l *slog.Logger, i *intake) *lines {
	return &lines{
		log: l, intake: i,
		limit: newLimiter(logBurst), alien: newLimiter(1),
	}
}

// logger returns what memberlist writes to.
func (l *lines) logger() *log.Logger { return log.New(l, "", 0) }

// Write takes one line. memberlist calls it under its lock, too.
func (l *lines) Write(b []byte) (int, error) {
	level, text := parseLine(string(bytes.TrimSpace(b)))
	l.count(text)
	reason, rejected := rejection(text)
	// Who joins gets the same in the error and tells about it.
	if rejected && !strings.HasPrefix(text, "failed to join ") {
		l.rejected.Add(1)
		l.warn(remoteOf(text), reason)
		return len(b), nil
	}
	if l.quiet.Load() {
		level = slog.LevelDebug
	}
	if !l.log.Enabled(context.Background(), level) {
		return len(b), nil
	}
	if held, ok := l.limit.pass(kindOf(text), time.Now()); ok {
		l.log.Log(context.Background(), level, "memberlist", "text", text, "suppressed", held)
	}
	return len(b), nil
}

// count takes from a line what memberlist tells in no other way.
func (l *lines) count(text string) {
	if strings.HasPrefix(text, "handler queue full, dropping message") {
		l.dropped.Add(1)
	}
	if strings.HasPrefix(text, "Was able to connect to ") && strings.Contains(text, " over TCP but UDP probes failed") {
		l.fallbacks.Add(1)
	}
	if name, ok := strings.CutPrefix(text, "Suspect "); ok {
		if name, ok = strings.CutSuffix(name, " has failed, no acks received"); ok {
			l.unanswered.Add(1)
			l.intake.doubt(name)
		}
	}
}

// warn tells about a node that does not belong here, once a minute and address.
func (l *lines) warn(remote, reason string) {
	held, ok := l.alien.pass(remote, time.Now())
	if !ok || l.quiet.Load() {
		return
	}
	l.log.Warn("a node with another key or cluster name is trying to talk",
		"remote", remote, "reason", reason, "suppressed", held)
}

// parseLine splits a line into its level and what memberlist said. That a peer cannot be
// reached is an error to memberlist, and a warning here.
func parseLine(line string) (slog.Level, string) {
	level := slog.LevelDebug
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if name, text, ok := strings.Cut(rest, "] "); ok {
			line = text
			switch name {
			case "WARN", "ERR", "ERROR":
				level = slog.LevelWarn
			}
		}
	}
	text := strings.TrimPrefix(line, "memberlist: ")
	for _, calm := range []string{"Refuting a", "ignoring alive message for", "Got ping for unexpected node"} {
		if strings.HasPrefix(text, calm) && level == slog.LevelWarn {
			level = slog.LevelInfo
		}
	}
	return level, text
}

// rejections are the words by which memberlist refuses what a stranger sent, and what
// they mean.
var rejections = []struct{ words, reason string }{
	{"with unacceptable label", "another cluster name"},
	{"label header", "malformed cluster name"},
	{"cannot decode label", "malformed cluster name"},
	{"Decrypt packet failed", "another key"},
	{"o installed keys could decrypt", "another key"}, // with N and n
	{"remote state is not encrypted", "it does not encrypt"},
	{"remote state is encrypted", "it encrypts, this node does not"},
	{"Failed to decode ", "it cannot be read"},
	{"not supported from=", "it cannot be read"},
	{"Received invalid msgType", "it cannot be read"},
}

// rejection reports whether a line is about what a stranger sent.
func rejection(text string) (reason string, ok bool) {
	for _, r := range rejections {
		if strings.Contains(text, r.words) && !strings.Contains(text, "for broadcast") {
			return r.reason, true
		}
	}
	return "", false
}

// remoteOf returns the address at the end of a line without the port, which is another
// one for each stream.
func remoteOf(text string) string {
	_, remote, ok := strings.Cut(text, "from=")
	if !ok {
		remote, ok = strings.CutPrefix(text, "Push/Pull with ") // a name, from a member
	}
	if !ok {
		return "unknown"
	}
	remote, _, _ = strings.Cut(remote, " ")
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// kindOf returns a line without what differs between lines of a kind: all from the first
// name, number or address on.
func kindOf(text string) string {
	if i := strings.IndexAny(text, "0123456789'\"(:="); i > 0 {
		text = text[:i]
	}
	words := strings.Fields(text)
	if len(words) > 4 {
		words = words[:4]
	}
	if len(words) > 0 && words[0] == "Suspect" || len(words) > 0 && words[0] == "Marking" {
		words = words[:1]
	}
	return strings.Join(words, " ")
}
