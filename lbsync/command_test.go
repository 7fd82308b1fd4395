package lbsync

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommandEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    Command
		want string // in the error; empty for success
	}{
		{"success", Command{"true"}, ""},
		{"failure", Command{"sh", "-c", "echo why it failed >&2; exit 2"}, `exit status 2: "why it failed"`},
		{"signal", Command{"sh", "-c", "kill -9 $$"}, "signal: killed"},
		{"missing", Command{"/no/such/program"}, "no such file"},
		{"end of a long output", Command{"sh", "-c", "seq 100000; echo last; exit 1"}, `100000\nlast"`},
		{"arguments are not split or expanded", Command{"sh", "-c", `test "$1" = '$HOME a;b'`, "sh", "$HOME a;b"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.c.Run(t.Context(), 10*time.Second)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && len(err.Error()) > 4*outputLimit {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// A command that hangs is killed with its children.
func TestCommandThatHangs(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	hang := Command{"sh", "-c", "sleep 1000 & echo $! >" + pidFile + "; wait"}
	began := time.Now()
	err := hang.Run(t.Context(), 300*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no end within 300ms") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); !gone(t, pid); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("the child is alive")
		}
	}
}

// gone tells whether a process has ended; one that nobody has waited for yet is a zombie.
func gone(t *testing.T, pid int) bool {
	t.Helper()
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestCommandIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Command{"sleep", "1000"}).Run(ctx, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A command that leaves a daemon with its pipes behind has succeeded.
func TestCommandThatLeavesADaemon(t *testing.T) {
	if err := (Command{"sh", "-c", "sleep 3 & exit 0"}).Run(t.Context(), 10*time.Second); err != nil {
		t.Error(err)
	}
}

func TestCommandWithFile(t *testing.T) {
	c := Command{"haproxy", "-c", "-f", "{file}", "--out={file}.log"}
	got := c.WithFile("/a b")
	if strings.Join(got, "|") != "haproxy|-c|-f|/a b|--out=/a b.log" || !c.HasFile() || got.HasFile() {
		t.Errorf("got %q", got)
	}
	if (Command{"sudo", "/usr/sbin/nginx", "-t"}).Program("nginx") != 1 || c.Program("nginx") != -1 {
		t.Error("program not found, or found where it is not")
	}
}
