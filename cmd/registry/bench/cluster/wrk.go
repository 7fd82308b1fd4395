package main

import (
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

// changedEntries is how many entries a closed loop changes in turn. They are so many that no two connections have the
// same one under way, and that an entry is not changed again before the others have it.
const changedEntries = 20_000

//go:embed wrk.lua
var wrkScript []byte

// wrkResult is what one run of wrk has seen.
type wrkResult struct {
	requests int64
	duration time.Duration
	p50, p99 time.Duration
}

func (r wrkResult) rate() float64 { return float64(r.requests) / r.duration.Seconds() }

// changeAll changes entries of a server as fast as some connections can. An answer outside 2xx and 3xx, a broken
// connection or a time-out is an error. One thread is enough: it makes more requests than three nodes can take.
func (b *bench) changeAll(ctx context.Context, s *server, connections int, d time.Duration) (wrkResult, error) {
	script := filepath.Join(b.work, "wrk.lua")
	if err := os.WriteFile(script, wrkScript, 0o644); err != nil {
		return wrkResult{}, err
	}
	cmd := exec.CommandContext(ctx, b.wrk,
		"-t", "1", "-c", strconv.Itoa(connections), "-d", wrkSeconds(d), "--timeout", "10s", "-s", script,
		"http://"+s.client, "--", strconv.FormatInt(b.clock.base, 10), strconv.Itoa(changedEntries), strconv.Itoa(watchedPart))
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
	return wrkResult{values["requests"], us("duration_us"), us("p50_us"), us("p99_us")}, nil
}
