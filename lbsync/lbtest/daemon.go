package lbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Program finds a program that the test cannot do without.
func Program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatalf("%s is not installed; make test installs it", name)
	return ""
}

// Daemon is a process in the foreground that ends with the test, with all of its process group.
type Daemon struct {
	PID int
	cmd *exec.Cmd
}

// Kill ends it at once, with nothing cleaned up, and waits until it has gone.
func (d Daemon) Kill(t *testing.T) {
	t.Helper()
	d.Signal(t, syscall.SIGKILL)
	_ = d.cmd.Wait() // Killed, which is an error to Wait.
}

// Signal sends a signal to all of its process group.
func (d Daemon) Signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-d.PID, signal); err != nil {
		t.Fatal(err)
	}
}

// Start starts a daemon. Its output goes to a file, which is shown when the test has failed.
func Start(t *testing.T, argv ...string) Daemon {
	t.Helper()
	path := filepath.Join(t.TempDir(), "output")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // It must outlive the test's context: clean-up ends it.
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cmd, path) })
	return Daemon{PID: cmd.Process.Pid, cmd: cmd}
}

func stop(t *testing.T, cmd *exec.Cmd, output string) {
	t.Helper()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // It may have ended already.
	kill := time.AfterFunc(3*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	_ = cmd.Wait() // Ended by a signal, which is an error to Wait.
	kill.Stop()
	if text, err := os.ReadFile(output); err == nil && t.Failed() {
		t.Logf("%s:\n%s", cmd.Path, text)
	}
}
