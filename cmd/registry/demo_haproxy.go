package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/haproxy"
)

// haproxyStop is how long HAProxy may take to end before it is killed.
const haproxyStop = 3 * time.Second

// findHAProxy also looks where Debian keeps programs for the administrator, which is not in everyone's PATH.
func findHAProxy(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil && name == filepath.Base(name) {
		for _, dir := range []string{"/usr/local/sbin", "/usr/sbin"} {
			if p, e := exec.LookPath(filepath.Join(dir, name)); e == nil {
				return p, nil
			}
		}
	}
	return path, err
}

// balancer is an HAProxy of the demo's own. It is a driver of lbsync's: the first load starts the program, the others
// go to the running one as usual.
type balancer struct {
	lbsync.Driver
	program string
	bind    string
	config  string
	master  string // socket

	started chan struct{} // closed when cmd runs
	exited  chan struct{} // closed when cmd has ended
	ready   chan struct{} // closed when it answers
	cmd     *exec.Cmd
	end     error // how cmd has ended
	output  tail
}

func newBalancer(program, dir, bind string) *balancer {
	return &balancer{
		program: program, bind: bind,
		config: filepath.Join(dir, "haproxy.cfg"), master: filepath.Join(dir, "master.sock"),
		started: make(chan struct{}), exited: make(chan struct{}), ready: make(chan struct{}),
	}
}

// follow starts lbsync and returns when HAProxy answers.
func (b *balancer) follow(ctx context.Context, parts *parts, d *demo, registry string) error {
	target, err := haproxy.NewTarget(lbsync.HAProxy{
		Config: b.config, Bind: b.bind, Services: []string{demoService},
		Check:         lbsync.Command{b.program, "-c", "-f", "{file}"},
		RuntimeSocket: filepath.Join(filepath.Dir(b.config), "admin.sock"), MasterSocket: b.master,
	}, haproxy.Options{RunAs: haproxy.DefaultRunAs()})
	if err != nil {
		return err
	}
	b.Driver, target.Driver = target.Driver, b
	if err := startSyncer(ctx, parts, target, registry, lbsync.Options{Logger: d.log}); err != nil {
		return err
	}
	if err := parts.waitFor(ctx, b.ready); err != nil {
		return fmt.Errorf("HAProxy does not answer at %s: %w%s", b.bind, err, b.output.text())
	}
	return nil
}

// Reload starts HAProxy, or has the running one load its file again.
func (b *balancer) Reload(ctx context.Context) (lbsync.Proof, error) {
	select {
	case <-b.started:
		return b.Driver.Reload(ctx)
	default:
	}
	if err := b.start(); err != nil {
		return nil, err
	}
	return b.answers, nil
}

func (b *balancer) start() error {
	cmd := exec.Command(b.program, "-W", "-S", b.master, "-p", filepath.Join(filepath.Dir(b.config), "haproxy.pid"), "-f", b.config) //nolint:noctx // It is stopped by a signal, see run.
	cmd.Stdout, cmd.Stderr = &b.output, &b.output
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start HAProxy: %w", err)
	}
	b.cmd = cmd
	go func() {
		b.end = cmd.Wait()
		close(b.exited)
	}()
	close(b.started)
	return nil
}

// answers is the proof of the first load.
func (b *balancer) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoStart)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp", b.bind); err == nil {
			close(b.ready)
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run waits for HAProxy's start, then for the end of ctx, and ends it.
func (b *balancer) run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-b.started:
	}
	select {
	case <-b.exited:
		return fmt.Errorf("HAProxy: %w%s", cmp.Or(b.end, errPartEnded), b.output.text())
	case <-ctx.Done():
	}
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // When it is gone already, the wait is over at once.
	select {
	case <-b.exited:
		return nil
	case <-time.After(haproxyStop):
		_ = b.cmd.Process.Kill()
		<-b.exited
		return errors.New("HAProxy did not end by itself and was killed")
	}
}

// tail keeps the last of what a program has printed.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

// tailSize is enough for the last words of a program.
const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	t.buf = t.buf[max(0, len(t.buf)-tailSize):]
	return len(p), nil
}

// text is what was printed, on lines of its own, or nothing.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buf) == 0 {
		return ""
	}
	return "\n" + string(bytes.TrimSpace(t.buf))
}
