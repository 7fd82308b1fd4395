package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	wrkThreads     = 2
	wrkConnections = 64 // unless a load says otherwise
	formType       = "application/x-www-form-urlencoded"
)

//go:embed wrk.lua
var wrkScript []byte

// A wrkLoad is a list of requests in the form that wrk.lua reads.
type wrkLoad struct {
	binary   string
	script   string
	requests string
	conns    int
}

// newWrkLoad writes the script and the requests for wrk to dir.
func newWrkLoad(binary, dir string, l load) (wrkLoad, error) {
	load := wrkLoad{binary, filepath.Join(dir, "wrk.lua"), filepath.Join(dir, "requests.txt"), cmp.Or(l.connections, wrkConnections)}
	var lines strings.Builder
	for _, r := range l.requests {
		fmt.Fprintf(&lines, "%s %s %s\n", r.method, r.path, r.form)
	}
	return load, errors.Join(
		os.WriteFile(load.script, wrkScript, 0o644),
		os.WriteFile(load.requests, []byte(lines.String()), 0o644))
}

// wrkResult is what one run of wrk has seen.
type wrkResult struct {
	requests int64
	duration time.Duration
	bytes    int64 // of all answers, with their heads
	p50, p99 time.Duration
}

// run loads the server for the duration. An answer outside 2xx and 3xx, a broken connection or a time-out is an error;
// the callers look at samples, so that a wrong 2xx is found too.
func (l wrkLoad) run(ctx context.Context, s *server, duration time.Duration) (wrkResult, error) {
	threads := strconv.Itoa(min(wrkThreads, l.conns))
	cmd := exec.CommandContext(ctx, l.binary,
		"-t", threads, "-c", strconv.Itoa(l.conns), "-d", wrkSeconds(duration),
		"--timeout", "10s", "-s", l.script, s.url, "--", l.requests)
	cmd.Env = append(os.Environ(), "WRK_THREADS="+threads)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return wrkResult{}, fmt.Errorf("run wrk: %w: %s", err, output)
	}
	return parseWrk(string(output))
}

// wrkSeconds is a duration as wrk reads it: in whole seconds.
func wrkSeconds(d time.Duration) string {
	return strconv.Itoa(int(d.Round(time.Second)/time.Second)) + "s"
}

// parseWrk reads the line that wrk.lua prints at the end.
func parseWrk(output string) (wrkResult, error) {
	_, line, ok := strings.Cut(output, "\nresult ")
	if !ok {
		return wrkResult{}, fmt.Errorf("wrk printed no result: %s", output)
	}
	line, _, _ = strings.Cut(line, "\n")
	values := map[string]int64{}
	for field := range strings.FieldsSeq(line) {
		name, text, _ := strings.Cut(field, "=")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return wrkResult{}, fmt.Errorf("parse wrk's result %q: %w", line, err)
		}
		values[name] = n
	}
	for _, failure := range []string{"connect", "read", "write", "status", "timeout"} {
		if n, ok := values[failure]; n != 0 || !ok {
			return wrkResult{}, fmt.Errorf("wrk counted failures: %s", line)
		}
	}
	if values["requests"] == 0 {
		return wrkResult{}, errors.New("wrk had no answer at all")
	}
	us := func(name string) time.Duration { return time.Duration(values[name]) * time.Microsecond }
	return wrkResult{values["requests"], us("duration_us"), values["bytes"], us("p50_us"), us("p99_us")}, nil
}
