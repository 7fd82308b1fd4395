package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
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
