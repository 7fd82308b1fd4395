package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// startTimeout is generous: other work may be under way on the machine.
	startTimeout = 20 * time.Second
	// stopTimeout is what a process gets after SIGTERM, before it is killed.
	stopTimeout = 5 * time.Second
)

// A process is a program that was started and runs until it is stopped.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // path of what it says
	done chan struct{} // closed when it has ended
}

// launch starts a process, whose output goes to a file. It does not wait until it is ready.
func launch(ctx context.Context, name, log string, argv ...string) (*process, error) {
	output, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }() // The process has its own.
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // What matters of its end is in its log.
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// waitReady asks until ready holds.
func (p *process) waitReady(ctx context.Context, ready func() (bool, error)) error {
	err := pollUntil(ctx, 10*time.Millisecond, startTimeout, "start "+p.name, func() (bool, error) {
		select {
		case <-p.done:
			return false, errors.New("it has ended")
		default:
			return ready()
		}
	})
	if err != nil {
		return fmt.Errorf("%w; it said: %s", err, kit.Tail(p.log))
	}
	return nil
}

// stop ends the process, kindly first.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // It may have ended by itself.
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// cpu is the processor time the process has used so far, its own and the kernel's for it.
func (p *process) cpu() (time.Duration, error) { return kit.CPU(p.pid()) }
