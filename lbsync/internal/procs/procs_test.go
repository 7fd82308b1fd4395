package procs

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestListHasThisProcess(t *testing.T) {
	all := List()
	i := slices.IndexFunc(all, func(p Process) bool { return p.PID == os.Getpid() })
	if i < 0 {
		t.Fatalf("not among %d processes", len(all))
	}
	if p := all[i]; p.Parent != os.Getppid() || p.Name == "" || !strings.HasPrefix(p.Title, os.Args[0]) {
		t.Errorf("got %+v", p)
	}
}

func TestParseStat(t *testing.T) {
	for stat, want := range map[string]Process{
		"12 (haproxy) S 1 12 12":      {PID: 12, Parent: 1, Name: "haproxy"},
		"12 (a) S 3 (b) c) R 7 12 12": {PID: 12, Parent: 7, Name: "a) S 3 (b) c"},
	} {
		if got, ok := parseStat(stat); !ok || got != want {
			t.Errorf("%q: got %+v, %v", stat, got, ok)
		}
	}
	for _, stat := range []string{"", "12", "12 (x)", "12 (x) ", "x (y) S 1 2", "12 (x) S y 3", "12 (x) Z 1 12"} {
		if got, ok := parseStat(stat); ok {
			t.Errorf("%q: got %+v", stat, got)
		}
	}
}
