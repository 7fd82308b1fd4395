//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// patience is how long a block may take that builds the program.
const patience = 5 * time.Minute

// terminal is a bash with job control in which blocks of commands run one after the other, as a reader types them. The
// first command that fails ends it.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    transcript
	errs   transcript
	sent   int // how many blocks
	read   int // how much of out was there before the latest
	exited chan struct{}
}

// transcript is what programs write while a test reads it.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// openTerminal starts a terminal by a command that has bash for its last argument. It ends with the test.
func openTerminal(t *testing.T, vars []string, argv ...string) *terminal {
	t.Helper()
	term := &terminal{t: t, cmd: exec.Command(argv[0], append(argv[1:], "bash", "--norc", "--noprofile")...), exited: make(chan struct{})}
	term.cmd.Env = append(os.Environ(), vars...)
	term.cmd.Stdout, term.cmd.Stderr = &term.out, &term.errs
	term.cmd.SysProcAttr = childAttributes()
	term.cmd.WaitDelay = 100 * time.Millisecond // Jobs in the background hold its output open.
	in, err := term.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	term.in = in
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.exited)
		_ = term.cmd.Wait() // Its outcome is in cmd.ProcessState.
	}()
	t.Cleanup(func() {
		_ = term.in.Close()
		_ = term.cmd.Process.Kill()
		<-term.exited
	})
	term.run(docBlock{where: "bash", text: "set -em"})
	return term
}

// mark stands behind the output of the latest block.
func (term *terminal) mark() string { return fmt.Sprintf("-- block %d has ended --\n", term.sent) }

// run runs a block to its end and returns what it has printed.
func (term *terminal) run(b docBlock) string {
	term.t.Helper()
	term.begin(b)
	return term.end(b)
}

// begin begins a block. Its commands have no input.
func (term *terminal) begin(b docBlock) {
	term.t.Helper()
	term.read = len(term.out.String())
	term.sent++
	_, err := fmt.Fprintf(term.in, "eval \"$(cat <<'END-OF-BLOCK'\n%s\nEND-OF-BLOCK\n)\" </dev/null; printf '%%s' '%s'\n", b.text, term.mark())
	if err != nil {
		term.t.Fatalf("%s: %v\n%s", b.where, err, term.errs.String())
	}
}

// end waits for the end of a block that was begun.
func (term *terminal) end(b docBlock) string {
	term.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if text, ended := strings.CutSuffix(term.printed(), term.mark()); ended {
			return text
		}
		term.goesOn(b)
	}
	term.t.Fatalf("%s: not done after %v:\n%s\nprinted\n%s\n%s", b.where, patience, b.text, term.printed(), term.errs.String())
	return ""
}

// goesOn checks that no command of a block has ended the terminal.
func (term *terminal) goesOn(b docBlock) {
	term.t.Helper()
	select {
	case <-term.exited:
		term.t.Fatalf("%s: %v:\n%s\nprinted\n%s\n%s", b.where, term.cmd.ProcessState, b.text, term.printed(), term.errs.String())
	default:
	}
}

// printed is what the block under way has printed so far.
func (term *terminal) printed() string { return term.out.String()[term.read:] }

// interrupt is Ctrl-C: it ends a block that would go on, and with it the terminal. It returns what the block has printed.
func (term *terminal) interrupt(b docBlock) string {
	term.t.Helper()
	if err := syscall.Kill(lastDescendant(term.cmd.Process.Pid), syscall.SIGINT); err != nil {
		term.t.Fatalf("%s: %v", b.where, err)
	}
	_ = term.in.Close()
	select {
	case <-term.exited:
	case <-time.After(20 * time.Second):
		term.t.Fatalf("%s: goes on after an interrupt:\n%s", b.where, b.text)
	}
	return strings.TrimSuffix(term.printed(), term.mark())
}

// lastDescendant follows the latest children of a process.
func lastDescendant(pid int) int {
	for {
		children := childrenOf(pid)
		if len(children) == 0 {
			return pid
		}
		pid = children[len(children)-1]
	}
}

func childrenOf(pid int) (children []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // It may have gone.
	for child := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(child); err == nil {
			children = append(children, n)
		}
	}
	return children
}

// workplace is a copy of the checkout, at the same path and with a network of its own if it is to have one.
type workplace struct {
	t    *testing.T
	root string // of the checkout
	pid  int    // of what holds the namespaces
	net  bool
}

// newWorkplace makes a workplace in namespaces that end with the test. What is written there goes to memory.
func newWorkplace(t *testing.T, network bool) *workplace {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}
	if network {
		args = append(args, "--net")
	}
	const script = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$2"
rm -rf "$2/bin" "$2/dot"
ip link set lo up
echo ready
exec sleep infinity`
	pid := hold(t, nil, args, script, t.TempDir(), root)
	return &workplace{t: t, root: root, pid: childrenOf(pid)[0], net: network}
}

// hold starts a script by unshare, which ends with the test with all that it has started, and returns the process id
// of unshare when the script has said that it is ready.
func hold(t *testing.T, stdin *os.File, args []string, script string, params ...string) int {
	t.Helper()
	cmd := exec.Command("unshare", append(append(args, "sh", "-c", script, "sh"), params...)...)
	cmd.SysProcAttr = childAttributes()
	if stdin != nil {
		cmd.Stdin = stdin
	}
	var stderr transcript
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, child := range childrenOf(cmd.Process.Pid) { // The first process of the namespace.
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		_ = cmd.Wait() // Killed, which is an error to Wait.
	})
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("no namespaces can be made, which needs root: %s", stderr.String())
	}
	return cmd.Process.Pid
}

// open opens a terminal in the checkout.
func (w *workplace) open(vars ...string) *terminal {
	w.t.Helper()
	argv := []string{"nsenter", "--target", strconv.Itoa(w.pid), "--mount", "--pid", "--wdns=" + w.root}
	if w.net {
		argv = append(argv, "--net")
	}
	return openTerminal(w.t, vars, argv...)
}

// waitFor waits until a block under way has printed something.
func (term *terminal) waitFor(b docBlock, from func() string, words string) {
	term.t.Helper()
	lbtest.Eventually(term.t, patience, b.where+": "+words, func() bool {
		term.goesOn(b)
		return strings.Contains(from(), words)
	})
}
