package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc/PID/stat. The kernel shows user space 100 per second on all
// architectures that Go knows.
const clockTick = 10 * time.Millisecond

// process is the pid of a server, seen through /proc.
type process int

// cpu is the processor time the process has used so far, its own and the kernel's for it.
func (p process) cpu() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
	if err != nil {
		return 0, err
	}
	return parseCPU(data)
}

// parseCPU adds utime and stime, fields 14 and 15 of /proc/PID/stat. They are counted from the end of the second
// field, since that is the program's name and may hold spaces.
func parseCPU(stat []byte) (time.Duration, error) {
	_, rest, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	fields := bytes.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errors.New("parse /proc/PID/stat: too few fields")
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse /proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

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
