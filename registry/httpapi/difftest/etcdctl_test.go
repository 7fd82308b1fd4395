package difftest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// commandTimeout bounds one run of etcdctl.
const commandTimeout = 30 * time.Second

// etcdctl is a script's command line.
type etcdctl struct {
	path string
	r    *recorder
}

// command is etcdctl with the arguments, at the script's server.
func (c etcdctl) command(ctx context.Context, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.path, append([]string{"--endpoints", c.r.target.URL}, arguments...)...)
	cmd.Env = []string{"ETCDCTL_API=2", "PATH=/usr/bin:/bin"}
	return cmd
}

// run runs etcdctl and records what it printed and how it ended.
func (c etcdctl) run(t *testing.T, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	out, err := c.command(ctx, arguments...).CombinedOutput()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Errorf("etcdctl %v: %v", arguments, err)
	}
	c.r.line("etcdctl %s: exit %d\n%s", strings.Join(arguments, " "), code, c.clean(string(out)))
}

var (
	bracketed = regexp.MustCompile(`(?m)\[\d+\]$|Index: \d+|Index":\d+| != \d{2,}\]`)
	digits    = regexp.MustCompile(`\d+`)
	memberID  = regexp.MustCompile(`\b[0-9a-f]{13,16}\b`)
	timestamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	memberRow = regexp.MustCompile(`name=.*`)
)

// clean takes out what may rightly differ: addresses, ids, names, indexes and times.
func (c etcdctl) clean(out string) string {
	out = strings.ReplaceAll(out, c.r.target.URL, "URL")
	out = bracketed.ReplaceAllStringFunc(out, func(match string) string {
		return digits.ReplaceAllStringFunc(match, c.r.n.index)
	})
	out = inOrderName.ReplaceAllString(timestamp.ReplaceAllString(out, "TIME"), "/in-order")
	return memberRow.ReplaceAllString(memberID.ReplaceAllString(out, "ID"), "name, URLs")
}

func compareEtcdctl(t *testing.T, script func(*testing.T, etcdctl)) {
	t.Helper()
	path, err := exec.LookPath("etcdctl")
	if err != nil {
		t.Fatalf("etcdctl is missing (Debian package etcd-client; make test installs it): %v", err)
	}
	compareClients(t, func(t *testing.T, r *recorder) {
		t.Helper()
		script(t, etcdctl{path, r})
	})
}

// TestEtcdctl runs the commands of etcdctl's v2 API.
func TestEtcdctl(t *testing.T) {
	t.Parallel()
	compareEtcdctl(t, func(t *testing.T, c etcdctl) {
		t.Helper()
		for _, line := range []string{
			"mk /a 1", "mk /a 1", "get /a", "set /a 2", "set --ttl 100 /a 3", "-o extended get /none", "get /none", "update /a 4",
			"update --ttl 100 /a 5", "update /none 1", "set --swap-with-value 5 /a 6", "set --swap-with-value 5 /a 7",
			"set --swap-with-index 1 /a 7", "mkdir /d", "mkdir /d", "mkdir --ttl 100 /e", "setdir --ttl 100 /s", "updatedir --ttl 50 /d",
			"updatedir /none", "set /d/b/c 1", "set /d/a 2", "set /d/_h 3", "mk --in-order /q x", "mk --in-order /q y",
			"ls --sort /", "ls --sort /d", "ls --recursive -p --sort /", "ls -r --sort /d", "ls /none", "ls /a", "ls -p --sort /",
			"-o json get /d/a", "-o extended get /d/a", "-o json get /none", "get --quorum /a", "ls --quorum --sort /d",
			"rm /d", "rmdir /d", "rm /a/x", "rm --with-value 9 /a", "rm --with-value 6 /a", "rm /a", "set /a 1", "rm --with-index 1 /a",
			"rm --dir /e", "rmdir /s", "rm --recursive /d", "rmdir /none", "setdir /a", "set /a/b 2", "get /a", "rm -r /q", "ls -r --sort /",
			"member list", "cluster-health", "--no-sync get /a/b", "set /neg -- -1", "get /neg", "watch --after-index 18446744073709551615x /a",
		} {
			c.run(t, strings.Fields(line)...)
		}
	})
}

// TestEtcdctlWatch runs etcdctl's watches while another client writes.
func TestEtcdctlWatch(t *testing.T) {
	t.Parallel()
	compareEtcdctl(t, func(t *testing.T, c etcdctl) {
		t.Helper()
		c.watched(t, "/w", "1", "watch", "/w")
		c.watched(t, "/dir/x", "2", "watch", "--recursive", "/dir")
		c.watched(t, "/dir/y", "3", "exec-watch", "--recursive", "/dir", "--", "sh", "-c", "echo $ETCD_WATCH_ACTION $ETCD_WATCH_KEY $ETCD_WATCH_VALUE; exec sleep 0")
		c.forever(t)
	})
}

// watched starts a watch, writes a key when it is there, and records the first line that it prints.
func (c etcdctl) watched(t *testing.T, key, value string, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := c.command(ctx, arguments...)
	lines := startReading(t, cmd)
	waitForWatchers(t, c.r.target, 1)
	put(t, c.r.target, key, "value="+value)
	c.r.line("etcdctl %s: %s", strings.Join(arguments, " "), c.line(t, lines))
	cancel()
	for range lines { // Until the command has ended.
	}
	_ = cmd.Wait()
	waitForWatchers(t, c.r.target, 0)
}

// forever checks that a watch goes on after its first event.
func (c etcdctl) forever(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := c.command(ctx, "watch", "--forever", "--recursive", "/f")
	lines := startReading(t, cmd)
	waitForWatchers(t, c.r.target, 1)
	for _, key := range []string{"/f/a", "/f/b", "/f/c"} {
		put(t, c.r.target, key, "value="+key)
		c.r.line("watch --forever: %s", c.line(t, lines))
		c.r.line("watch --forever: %s", c.line(t, lines))
	}
	parseTarget(http.MethodDelete, "/f/a", "").do(ctx, c.r.target)
	c.r.line("watch --forever: %s", c.line(t, lines))
	cancel()
	for range lines { // Until the command has ended.
	}
	_ = cmd.Wait()
}

// line is the next line of a command, which must not end before.
func (c etcdctl) line(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line, more := <-lines:
		if !more {
			t.Errorf("%v: etcdctl ended after %q", c.r.target.Kind, c.r.lines)
		}
		return line
	case <-time.After(eventTimeout):
		t.Errorf("%v: etcdctl is silent after %q", c.r.target.Kind, c.r.lines)
		return ""
	}
}

// startReading starts the command and hands on its output line by line.
func startReading(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 64)
	go func() {
		defer close(lines)
		var rest []byte
		buffer := make([]byte, 4096)
		for {
			n, err := out.Read(buffer)
			rest = append(rest, buffer[:n]...)
			for {
				line, after, found := bytes.Cut(rest, []byte("\n"))
				if !found {
					break
				}
				lines <- string(line)
				rest = after
			}
			if errors.Is(err, io.EOF) || err != nil {
				return
			}
		}
	}()
	return lines
}
