package kit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine says where figures come from, for the head of a report.
func Machine() []string {
	return []string{
		fmt.Sprintf("machine: %d × %s, %s of memory, Linux %s", runtime.NumCPU(),
			fieldOf("/proc/cpuinfo", "model name"), fieldOf("/proc/meminfo", "MemTotal"), line("/proc/sys/kernel/osrelease")),
		"load average at the start: " + line("/proc/loadavg"),
	}
}

// FileSystem is the kind of file system below dir.
func FileSystem(ctx context.Context, dir string) string {
	return FirstLine(ctx, "stat", "--file-system", "--format=%T", dir)
}

// FirstLine is what a command prints first, on either output: wrk reports its version as an error.
func FirstLine(ctx context.Context, name string, args ...string) string {
	output, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	first, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	if first == "" && err != nil {
		return err.Error()
	}
	return first
}

// line is the first line of a file of /proc, or why there is none.
func line(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return first
}

// fieldOf is the value of the first "name: value" line of a file of /proc, or "unknown".
func fieldOf(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	for entry := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(entry, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
