//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// labNode is a node and, from start to kill, its process.
type labNode struct {
	lab  *lab
	name string
	addr string // IP
	url  string // for clients
	ns   string
	link string // the bridge's end of its link
	args []string

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd's state is there
	log    *labLog       // of all its processes
}

// hasDataDir tells whether the node's indexes go on after a restart.
func (n *labNode) hasDataDir() bool { return slices.Contains(n.args, "--data-dir") }

// launch starts the process and returns at once.
func (n *labNode) launch() {
	n.lab.t.Helper()
	registry, err := exec.LookPath("registry") // TestMain puts it there
	if err != nil {
		n.lab.t.Fatal(err)
	}
	args := []string{
		"netns", "exec", n.ns, registry, "serve", "--name", n.name,
		"--listen", n.addr + ":4001", "--gossip-listen", n.addr + ":7946",
	}
	if !slices.Contains(n.args, "--join") {
		args = append(args, "--join", n.lab.seeds())
	}
	n.cmd = exec.Command("ip", append(args, n.args...)...) // ip becomes the node
	n.cmd.SysProcAttr = childAttributes()
	n.cmd.Env = []string{"GORACE=atexit_sleep_ms=0"}
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		n.lab.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.lab.t.Fatal(err)
	}
	if n.log == nil {
		n.log = &labLog{}
	}
	n.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		n.log.read(stderr)
		_ = cmd.Wait() // its outcome is in cmd.ProcessState
	}(n.cmd, n.exited)
}

// start starts the process and waits until it listens.
func (n *labNode) start() {
	n.lab.t.Helper()
	before := n.log.count(nodeIsUp)
	n.launch()
	n.waitUp(before + 1)
}

// nodeIsUp is logged by a node that listens.
const nodeIsUp = `"msg":"node is up"`

// waitUp waits until a node has come up a number of times.
func (n *labNode) waitUp(times int) {
	n.lab.t.Helper()
	n.lab.eventually(30*time.Second, n.name+" is up", func() bool {
		select {
		case <-n.exited:
			n.lab.t.Fatalf("%s ended with code %d:\n%s", n.name, n.cmd.ProcessState.ExitCode(), n.log)
		default:
		}
		return n.log.count(nodeIsUp) >= times
	})
}

// signal sends a signal.
func (n *labNode) signal(s syscall.Signal) {
	n.lab.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.lab.t.Fatalf("%s: %v", n.name, err)
	}
}

// kill ends the process without a warning.
func (n *labNode) kill() {
	n.lab.t.Helper()
	n.signal(syscall.SIGKILL)
	<-n.exited
	n.cmd = nil
	n.lab.check.ended(n)
}

// wait waits for the end of a process that ends by itself and returns its exit code.
func (n *labNode) wait(within time.Duration) (code int) {
	n.lab.t.Helper()
	select {
	case <-n.exited:
	case <-time.After(within):
		n.lab.t.Fatalf("%s goes on after %v", n.name, within)
	}
	code = n.cmd.ProcessState.ExitCode()
	n.cmd = nil
	return code
}

// cleanUp stops the process in good order, all at once with those of the other nodes.
func (n *labNode) cleanUp() {
	for _, other := range n.lab.nodes {
		if other.cmd != nil {
			_ = other.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
			_ = other.cmd.Process.Signal(syscall.SIGCONT)
		}
	}
	n.lab.clerks.Wait()
	if n.cmd != nil {
		select {
		case <-n.exited:
		case <-time.After(20 * time.Second):
			n.lab.t.Errorf("%s is not gone 20 s after SIGTERM", n.name)
			_ = n.cmd.Process.Kill()
			<-n.exited
		}
		if code := n.cmd.ProcessState.ExitCode(); code != 0 { // also after a data race
			n.lab.t.Errorf("%s ended with code %d", n.name, code)
		}
	}
	if n == n.lab.nodes[0] {
		n.lab.t.Logf("looked at %d listings and events", n.lab.check.looks)
	}
	if n.lab.t.Failed() {
		n.lab.t.Logf("%s logged:\n%s", n.name, n.log)
	}
}

// waitReady waits until the node serves.
func (n *labNode) waitReady() {
	n.lab.t.Helper()
	n.lab.eventually(30*time.Second, n.name+" is ready", func() bool {
		a, err := n.lab.ask(n, labPatience, http.MethodGet, "/readyz", "")
		return err == nil && a.status == http.StatusOK
	})
}

// members returns the names of the nodes that the node knows to be alive, sorted.
func (n *labNode) members() ([]string, error) {
	a, err := n.lab.ask(n, labPatience, http.MethodGet, "/v2/members", "")
	if err != nil {
		return nil, err
	}
	var all struct {
		Members []struct {
			Name string `json:"name"`
		} `json:"members"`
	}
	if err := json.Unmarshal(a.body, &all); err != nil {
		return nil, err
	}
	var names []string
	for _, m := range all.Members {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names, nil
}

// waitMembers waits until exactly these nodes are alive to the node.
func (n *labNode) waitMembers(within time.Duration, want ...string) {
	n.lab.t.Helper()
	n.lab.eventually(within, n.name+" has the members "+strings.Join(want, " "), func() bool {
		got, err := n.members()
		return err == nil && slices.Equal(got, want)
	})
}

// labLog is the log of a node. A nil one is empty.
type labLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *labLog) read(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		l.mu.Lock()
		l.lines = append(l.lines, lines.Text())
		l.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // after a line that is too long
}

// with returns the lines with some words.
func (l *labLog) with(words string) []string {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.lines), func(line string) bool { return !strings.Contains(line, words) })
}

func (l *labLog) count(words string) int { return len(l.with(words)) }

// String returns the log, of a long one its beginning and its end.
func (l *labLog) String() string {
	const most = 60
	lines := l.with("")
	if len(lines) > 2*most {
		lines = slices.Concat(lines[:most], []string{"..."}, lines[len(lines)-most:])
	}
	return strings.Join(lines, "\n")
}
