package kit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc. The kernel shows user space 100 per second on all architectures that Go
// knows.
const clockTick = 10 * time.Millisecond

// BusyTime is the processor time that was used so far by all processes of the machine, and what other machines took from
// it.
func BusyTime() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(stat))
}

// parseBusy adds up what is not idle in the first line of /proc/stat: user, nice, system, irq, softirq and steal.
func parseBusy(stat string) (time.Duration, error) {
	first, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("parse /proc/stat: %q", first)
	}
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse /proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// CPU is the processor time that a process has used so far, its own and the kernel's for it.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, own, _, err := parseStat(stat)
	return own, err
}

// OwnCPU is the processor time that this process and all that it has started, and what they have started, have used so
// far.
func OwnCPU() (time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	parents, times := map[int]int{}, map[int]time.Duration{}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // It has ended meanwhile; its parent has its time.
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return 0, err
		}
		parent, own, children, err := parseStat(stat)
		if err != nil {
			return 0, err
		}
		parents[pid], times[pid] = parent, own+children
	}
	var sum time.Duration
	for pid := range times {
		if descends(pid, os.Getpid(), parents) {
			sum += times[pid]
		}
	}
	return sum, nil
}

func descends(pid, from int, parents map[int]int) bool {
	for steps := 0; pid > 0 && steps <= len(parents); steps++ {
		if pid == from {
			return true
		}
		pid = parents[pid]
	}
	return false
}

// parseStat reads /proc/PID/stat: the parent, and the times of the process and of its children that have ended. Fields are
// counted from the end of the second one, since that is the program's name and may hold spaces.
func parseStat(stat []byte) (parent int, own, children time.Duration, err error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return 0, 0, 0, errors.New("parse /proc/PID/stat: too few fields")
	}
	var numbers [5]int64 // Fields 4 and 14 to 17.
	for i, at := range []int{1, 11, 12, 13, 14} {
		if numbers[i], err = strconv.ParseInt(string(fields[at]), 10, 64); err != nil {
			return 0, 0, 0, fmt.Errorf("parse /proc/PID/stat: %w", err)
		}
	}
	ticks := func(a, b int64) time.Duration { return time.Duration(a+b) * clockTick }
	return int(numbers[0]), ticks(numbers[1], numbers[2]), ticks(numbers[3], numbers[4]), nil
}

// Tail returns the last lines of a log, for an error message.
func Tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
