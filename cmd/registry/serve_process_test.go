package main

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// anyPort has a node take a free port.
const anyPort = "--listen=127.0.0.1:0"

// serving is a process of its own that runs serve: what main does with signals and the
// environment shows only there.
type serving struct {
	base   string // URL
	cmd    *exec.Cmd
	exited <-chan struct{}  // closed when cmd's state is there
	log    *strings.Builder // what it has logged; to be read when it has exited
	fails  bool             // it is to end with an error
}

// startProcess runs serve until the test ends or stop is called. Its environment holds
// the given variables, each NAME=VALUE. It returns when the node answers.
func startProcess(t *testing.T, vars []string, args ...string) *serving {
	t.Helper()
	cmd := exec.Command("registry", append([]string{"serve"}, args...)...) // TestMain puts it in the path
	cmd.SysProcAttr = childAttributes()
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, vars...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, log, exited := make(chan string, 1), new(strings.Builder), make(chan struct{})
	go func() {
		defer close(exited)
		readLog(io.TeeReader(stderr, log), address)
		_ = cmd.Wait() // its outcome is in cmd.ProcessState
	}()
	s := &serving{cmd: cmd, exited: exited, log: log}
	t.Cleanup(func() {
		if code := s.stop(t, syscall.SIGTERM); code > 0 && !s.fails { // also after a data race
			t.Errorf("%v ended with code %d:\n%s", cmd.Args, code, log)
		}
	})
	select {
	case s.base = <-address:
	case <-exited:
		t.Fatalf("%v ended with code %d:\n%s", cmd.Args, cmd.ProcessState.ExitCode(), log)
	case <-time.After(30 * time.Second):
		t.Fatalf("%v is not up", cmd.Args)
	}
	return s
}

// readLog reads a node's log to its end and picks its URL out of it.
func readLog(log io.Reader, address chan<- string) {
	listen := regexp.MustCompile(`"msg":"node is up".*"listen":"([^"]+)"`)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if found := listen.FindStringSubmatch(lines.Text()); found != nil {
			address <- "http://" + found[1]
		}
	}
}

// stop sends a signal, unless the process has ended before, and returns its exit code,
// -1 if it died of the signal. A process has ten seconds to end.
func (s *serving) stop(t *testing.T, signal syscall.Signal) (code int) {
	t.Helper()
	_ = s.cmd.Process.Signal(signal) // it may have ended
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		t.Errorf("not gone ten seconds after %v", signal)
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	return s.cmd.ProcessState.ExitCode()
}

// indexFile is where a node keeps the bound of its indexes.
func indexFile(dataDir string) string { return filepath.Join(dataDir, "index") }
