package difftest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds one start of etcd; it is ready in about 100 ms on an idle machine.
const startTimeout = 20 * time.Second

// startAttempts covers the moment between choosing a free port and etcd's binding it.
const startAttempts = 5

// StartEtcd runs a real etcd with an empty data directory until the test ends.
func StartEtcd(tb testing.TB) *Target {
	tb.Helper()
	binary, err := exec.LookPath("etcd")
	if err != nil {
		tb.Fatalf("the real etcd is missing (Debian package etcd-server; make test installs it): %v", err)
	}
	for range startAttempts {
		target, startErr := tryEtcd(tb, binary)
		if startErr == nil {
			return target
		}
		err = startErr
	}
	tb.Fatalf("start etcd: %v", err)
	return nil
}

func tryEtcd(tb testing.TB, binary string) (*Target, error) {
	tb.Helper()
	url := "http://" + freeAddress(tb)
	peer := "http://127.0.0.1:0" // Nobody dials it: the cluster has one member.
	var log bytes.Buffer
	cmd := exec.Command(binary, "--enable-v2", "--data-dir", memoryDir(tb), //nolint:noctx // Stopped by pid in Cleanup.
		"--heartbeat-interval", "10", "--election-timeout", "100",
		"--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", binary, err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	tb.Cleanup(func() { stop(cmd.Process, exited) })

	if err := waitHealthy(tb.Context(), url, exited); err != nil {
		stop(cmd.Process, exited)
		return nil, fmt.Errorf("%w; its log:\n%s", err, log.Bytes())
	}
	target := NewTarget(Etcd, url)
	tb.Cleanup(target.Close)
	return target, nil
}

// stop ends the process and waits for it. It may be called twice.
func stop(process *os.Process, exited <-chan struct{}) {
	_ = process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(5 * time.Second):
		_ = process.Kill()
		<-exited
	}
}

// waitHealthy polls until the server is healthy and has made its own first writes, which use indexes.
func waitHealthy(ctx context.Context, url string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if settled(ctx, url) {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("etcd at %s ended before it was healthy", url)
		case <-ctx.Done():
			return fmt.Errorf("etcd at %s not healthy: %w", url, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// settled says whether the server has a leader, has published its own name, and has decided on the cluster's version.
func settled(ctx context.Context, url string) bool {
	return strings.Contains(read(ctx, url+"/health"), "true") &&
		strings.Contains(read(ctx, url+"/v2/members"), `"name":"default"`) &&
		!strings.Contains(read(ctx, url+"/version"), "not_decided")
}

// read is the body of a successful answer, or "".
func read(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return ""
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// freeAddress asks the kernel for a free port on loopback.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// memoryDir is a directory for data that need not survive: in memory where the system has that, since etcd syncs every write.
func memoryDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "difftest-etcd-") //nolint:usetesting // Not on a disk.
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
