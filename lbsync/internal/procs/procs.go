// Package procs lists the processes of this machine, for drivers that want to see whether a reload has happened.
//
// It reads /proc and promises nothing where there is none, or where the balancer's processes are hidden from this one (in
// another PID namespace, or by hidepid): the list is then empty or lacks them, which is not an error.
package procs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Process is one running process.
type Process struct {
	PID, Parent int
	// Name is the name of the executable, at most 15 bytes of it.
	Name string
	// Title is the command line, which a process may have rewritten.
	Title string
}

// List returns the processes that can be seen. One that ends during the call may be missing.
func List() []Process {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var all []Process
	for _, dir := range dirs {
		if p, ok := read(dir); ok {
			all = append(all, p)
		}
	}
	return all
}

func read(dir string) (Process, bool) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Process{}, false
	}
	title, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return Process{}, false
	}
	p, ok := parseStat(string(stat))
	p.Title = strings.TrimRight(strings.ReplaceAll(string(title), "\x00", " "), " ")
	return p, ok
}

// parseStat reads "PID (NAME) STATE PARENT ...". The name may itself hold parentheses. A zombie does not count.
func parseStat(stat string) (Process, bool) {
	head, rest, ok := cutLast(stat, ") ")
	pid, name, found := strings.Cut(head, " (")
	fields := strings.Fields(rest)
	if !ok || !found || len(fields) < 2 || fields[0] == "Z" {
		return Process{}, false
	}
	id, err := strconv.Atoi(pid)
	if err != nil {
		return Process{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	return Process{PID: id, Parent: parent, Name: name}, err == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
