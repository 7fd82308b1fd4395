package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

// process is the pid of a server, seen through /proc.
type process int

// cpu is the processor time the process has used so far, its own and the kernel's for it.
func (p process) cpu() (time.Duration, error) { return kit.CPU(int(p)) }

// rss is what the process holds of the machine's memory, in bytes.
func (p process) rss() (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
	if err != nil {
		return 0, err
	}
	return parseRSS(string(data))
}

func parseRSS(status string) (float64, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse /proc/PID/status: %w", err)
		}
		return float64(kib << 10), nil
	}
	return 0, errors.New("parse /proc/PID/status: no resident set")
}
