package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

// process is the pid of a server, seen through /proc.
type process int

// cpu is the processor time the process has used so far, its own and the kernel's for it.
func (p process) cpu() (time.Duration, error) { return kit.CPU(int(p)) }

// memory is what a process holds of the machine's memory, in bytes.
type memory struct {
	rss  int64 // now
	peak int64 // the most it ever was
}

// memory reads the resident set of the process.
func (p process) memory() (memory, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
	if err != nil {
		return memory{}, err
	}
	return parseMemory(string(data))
}

func parseMemory(status string) (memory, error) {
	var m memory
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		var into *int64
		switch name {
		case "VmRSS":
			into = &m.rss
		case "VmHWM":
			into = &m.peak
		default:
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return memory{}, fmt.Errorf("parse /proc/PID/status: %w", err)
		}
		*into = kib << 10
	}
	if m.rss == 0 || m.peak == 0 {
		return memory{}, errors.New("parse /proc/PID/status: no resident set")
	}
	return m, nil
}

// raiseOpenFiles lets this process and the servers hold a connection per watcher and some more.
func raiseOpenFiles(watchers int) error {
	const others = 1000 // logs, listeners, wrk, etcd's own reserve of 150
	need := uint64(watchers) + others
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	// Setting it explicitly matters even if it is high enough: Go raises its own limit, but not its children's.
	limit.Max = max(limit.Max, need)
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d watchers need %d open files; raise the hard limit or use -watchers: %w", watchers, need, err)
	}
	return nil
}
