package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// fakeSystemd is the receiving end of NOTIFY_SOCKET.
type fakeSystemd struct {
	path string
	conn *net.UnixConn
}

func newFakeSystemd(t *testing.T) *fakeSystemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		os.RemoveAll(dir)
	})
	return &fakeSystemd{path, conn}
}

func (s *fakeSystemd) env() string { return "NOTIFY_SOCKET=" + s.path }

// until returns all lines up to the given one.
func (s *fakeSystemd) until(t *testing.T, want string) (lines []string) {
	t.Helper()
	buffer := make([]byte, 4096)
	if err := s.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
		n, err := s.conn.Read(buffer)
		if err != nil {
			t.Fatalf("no %s: %v; got %q", want, err, lines)
		}
		lines = append(lines, strings.Split(string(buffer[:n]), "\n")...)
	}
	return lines
}

// A node alone is ready at once, feeds the watchdog, says how it fares, and says when it ends.
func TestNotifyOfNodeAlone(t *testing.T) {
	t.Parallel()
	systemd := newFakeSystemd(t)
	node := startProcess(t, []string{systemd.env(), "WATCHDOG_USEC=100000"}, anyPort)
	systemd.until(t, "READY=1")
	systemd.until(t, "STATUS=serving "+strings.TrimPrefix(node.base, "http://")+": 0 keys, 0 watching")
	answer(t, "PUT", node.base+"/v2/keys/a", "value=1")
	beats := systemd.until(t, "STATUS=serving "+strings.TrimPrefix(node.base, "http://")+": 1 key, 0 watching")
	if beats[0] != "WATCHDOG=1" {
		t.Errorf("a sign of life: %q", beats)
	}
	for range 3 {
		systemd.until(t, "WATCHDOG=1")
	}
	node.stop(t, syscall.SIGTERM)
	if lines := systemd.until(t, "STOPPING=1"); slices.Contains(lines, "READY=1") {
		t.Errorf("ready twice: %q", lines)
	}
}

// A node of a cluster is ready when it serves, and asks for more time until then.
func TestNotifyOfCluster(t *testing.T) {
	t.Parallel()
	systemd := newFakeSystemd(t)
	one, two := "127.0.0.1:"+lbtest.FreePort(t), "127.0.0.1:"+lbtest.FreePort(t)
	node := startProcess(t, []string{systemd.env()}, anyPort, "--name=one", "--gossip-listen", one, "--join", two)
	before := systemd.until(t, "STATUS=not ready: ")
	startProcess(t, nil, anyPort, "--name=two", "--gossip-listen", two, "--join", one)
	before = append(before, systemd.until(t, "READY=1")...)
	if resp := request(t, "GET", node.base+"/readyz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("systemd is told before the node is ready: %s", resp.Status)
	}
	if !slices.Contains(before, "EXTEND_TIMEOUT_USEC=50000000") {
		t.Errorf("before it was ready: %q", before)
	}
	systemd.until(t, "STATUS=serving ")
}

// startLbsyncProcess runs lbsync as a process of its own.
func startLbsyncProcess(t *testing.T, config string, vars ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("registry", "lbsync", "--config", config)
	cmd.SysProcAttr = childAttributes()
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH")}, vars...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have ended.
		_ = cmd.Wait()
	})
	return cmd
}

// lbsync is ready when the balancers run what the registry has, and tells of its reloads.
func TestNotifyOfLbsync(t *testing.T) {
	t.Parallel()
	systemd, d := newFakeSystemd(t), newSupervisedDir(t, endpoints(startNode(t, http.StatusOK, listingOfTwo)))
	cmd := startLbsyncProcess(t, d.file("lbsync.yaml"), systemd.env(), "WATCHDOG_USEC=100000")
	systemd.until(t, "READY=1")
	if text, err := os.ReadFile(d.file("haproxy.cfg")); err != nil || !strings.Contains(string(text), "# 10.0.1.1:8080") {
		t.Errorf("systemd is told before the file is there: %s, %v", text, err)
	}
	systemd.until(t, "STATUS=1 of 1 file in sync")
	for _, yaml := range []string{d.yaml, "nonsense: 1\n", d.yaml} {
		d.write(t, "lbsync.yaml", yaml)
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		lines := systemd.until(t, "RELOADING=1")
		if since := lines[len(lines)-1]; !strings.HasPrefix(since, "MONOTONIC_USEC=") || since == "MONOTONIC_USEC=0" {
			t.Errorf("since when: %q", since)
		}
		systemd.until(t, "READY=1")
		systemd.until(t, "WATCHDOG=1")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	systemd.until(t, "STOPPING=1")
}

// Without the registry lbsync is up after a while, because the balancers have what they had.
func TestNotifyOfLbsyncWithoutRegistry(t *testing.T) {
	t.Parallel()
	systemd, d := newFakeSystemd(t), newSupervisedDir(t, endpoints("http://127.0.0.1:1"))
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: systemd.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSupervisor(t.Context(), supervisorOptions{
		path: d.file("lbsync.yaml"), log: slog.New(slog.DiscardHandler), notify: notifierTo(conn, 0, slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.tell(time.Now())
	if lines := systemd.until(t, "STATUS=0 of 1 file in sync, the registry does not answer"); slices.Contains(lines, "READY=1") {
		t.Errorf("ready at once: %q", lines)
	}
	s.tell(time.Now().Add(-lbsyncStart - time.Second))
	systemd.until(t, "READY=1")
}

// countingConn counts the signs of life that are sent.
type countingConn struct {
	net.Conn
	mu    sync.Mutex
	beats int
}

func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }

func (c *countingConn) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beats += strings.Count(string(text), "WATCHDOG=1")
	return len(text), nil
}

func (c *countingConn) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.beats
}

// waiting returns the lines that have come already.
func (s *fakeSystemd) waiting(t *testing.T) (lines []string) {
	t.Helper()
	buffer := make([]byte, 4096)
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := s.conn.Read(buffer)
		if err != nil {
			return lines
		}
		lines = append(lines, strings.Split(string(buffer[:n]), "\n")...)
	}
}

// A service that has ended has told so before, however short its end was.
func TestNotifyOfTheEnd(t *testing.T) {
	t.Parallel()
	d := newSupervisedDir(t, endpoints(startNode(t, http.StatusOK, listingOfTwo)))
	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "listen: 127.0.0.1:0\n", "", 1))
	for range 20 {
		systemd := newFakeSystemd(t)
		cmd := startLbsyncProcess(t, d.file("lbsync.yaml"), systemd.env())
		systemd.until(t, "READY=1")
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if lines := systemd.waiting(t); !slices.Contains(lines, "STOPPING=1") {
			t.Fatalf("lbsync ended, after it had told %q", lines)
		}
	}
}

// heldConn holds each message until it may go.
type heldConn struct {
	countingConn
	entered, release chan struct{}
}

func (c *heldConn) Write(text []byte) (int, error) {
	c.entered <- struct{}{}
	<-c.release
	return len(text), nil
}

// Whoever tells of the end a second time waits until it has been told, and does not tell it again.
func TestStoppingIsToldOnce(t *testing.T) {
	t.Parallel()
	conn := &heldConn{entered: make(chan struct{}, 2), release: make(chan struct{})}
	n := notifierTo(conn, 0, slog.New(slog.DiscardHandler))
	go n.stopping()
	<-conn.entered
	ended := make(chan struct{})
	go func() { n.stopping(); close(ended) }()
	select {
	case <-ended:
		t.Error("the end comes before it is told")
	case <-time.After(50 * time.Millisecond):
	}
	close(conn.release)
	<-ended
	if len(conn.entered) != 0 {
		t.Error("the end is told twice")
	}
}

// A service that is stuck gives no sign of life, and one that is not gives two within the watchdog's time.
func TestWatchdogOfStuckService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, lock := &countingConn{}, make(chan struct{}, 1)
		n := notifierTo(conn, 4*time.Second, slog.New(slog.DiscardHandler))
		n.setReady()
		go n.run(t.Context(), func() string {
			lock <- struct{}{}
			<-lock
			return "well"
		})
		time.Sleep(9 * time.Second) // The bubble's time.
		if got := conn.count(); got != 4 {
			t.Errorf("%d signs of life in nine seconds, want 4", got)
		}
		lock <- struct{}{}
		time.Sleep(time.Minute)
		if got := conn.count(); got != 4 {
			t.Errorf("%d signs of life of a stuck service", got-4)
		}
		<-lock
		synctest.Wait()
		if conn.count() == 4 {
			t.Error("no sign of life after all")
		}
	})
}

// lbsync gives its signs of life in the loop that also reloads: while a reload hangs there is none.
func TestWatchdogOfStuckLbsync(t *testing.T) {
	t.Parallel()
	d := newSupervisedDir(t, endpoints("http://127.0.0.1:1"))
	conn, stuck, loads := &countingConn{}, make(chan struct{}), make(chan struct{}, 2)
	notify := notifierTo(conn, 20*time.Millisecond, slog.New(slog.DiscardHandler))
	notify.setReady()
	s, err := newSupervisor(t.Context(), supervisorOptions{
		path: d.file("lbsync.yaml"), log: slog.New(slog.DiscardHandler), notify: notify, pulse: notify.C(),
		source: func(*lbsync.Config) (lbsync.Source, error) {
			loads <- struct{}{}
			if len(loads) == 2 {
				<-stuck
			}
			return nil, nil //nolint:nilnil // nil is what the configuration says
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	reload, done := make(chan os.Signal), make(chan error, 1)
	go func() { done <- s.Run(ctx, reload) }()
	beats := func(more int) func() bool { return func() bool { return conn.count() > more } }
	lbtest.Eventually(t, 10*time.Second, "signs of life", beats(2))
	reload <- syscall.SIGHUP
	lbtest.Eventually(t, 10*time.Second, "a reload", func() bool { return len(loads) == 2 })
	before := conn.count()
	time.Sleep(20 * notify.every) // As long as it takes to see that there is none.
	if got := conn.count(); got != before {
		t.Errorf("%d signs of life of an lbsync that is stuck", got-before)
	}
	close(stuck)
	lbtest.Eventually(t, 10*time.Second, "signs of life after all", beats(before))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWatchdogOfOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"2000000", strconv.Itoa(os.Getpid()), 2 * time.Second},
		{"2000000", "1", 0}, // That of another process.
		{"soon", strconv.Itoa(os.Getpid()), 0},
	} {
		lookup := testEnv(nil, "WATCHDOG_USEC="+tt.usec, "WATCHDOG_PID="+tt.pid).lookup
		if got := watchdog(lookup); got != tt.want {
			t.Errorf("%s for %s is %v", tt.usec, tt.pid, got)
		}
	}
}
