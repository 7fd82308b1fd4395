package lbtest

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A SocketFault is how a Relay misbehaves.
type SocketFault int

const (
	// NoFault passes everything on.
	NoFault SocketFault = iota
	// Hangs accepts, takes the command and never answers.
	Hangs
	// Garbage answers with bytes that mean nothing.
	Garbage
	// Half carries out the command and breaks off in the middle of its answer.
	Half
	// Missing has no socket file.
	Missing
	// Refuses has a socket file, and nobody listens.
	Refuses
)

// A Relay is a socket in front of a balancer's socket. It passes commands and answers on, one for each connection, remembers
// the commands, and misbehaves when told to.
type Relay struct {
	path, to string
	working  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	fault    SocketFault
	listener *net.UnixListener
	released chan struct{} // closed when the fault ends
	commands []string
}

// NewRelay listens at path for what is meant for the socket at to, until the test ends.
func NewRelay(t *testing.T, path, to string) *Relay {
	t.Helper()
	r := &Relay{path: path, to: to}
	r.Set(t, NoFault)
	t.Cleanup(func() {
		r.Set(t, Missing)
		r.working.Wait()
	})
	return r
}

// Set has the relay misbehave from now on.
func (r *Relay) Set(t *testing.T, fault SocketFault) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = fault
	if r.released != nil {
		close(r.released)
	}
	r.released = make(chan struct{})
	if r.listener != nil {
		_ = r.listener.Close() // Connections that wait in it are lost, as when a process dies.
		r.listener = nil
	}
	if err := os.Remove(r.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if fault == Missing {
		return
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if fault == Refuses {
		_ = listener.Close() // The file stays.
		return
	}
	r.listener = listener
	r.working.Go(func() { r.accept(listener) })
}

// Commands are those that have come in so far.
func (r *Relay) Commands() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.commands)
}

func (r *Relay) accept(listener *net.UnixListener) {
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			return
		}
		r.working.Go(func() { r.serve(conn) })
	}
}

// serve answers one connection. That the other side goes away at any moment is normal here.
func (r *Relay) serve(conn *net.UnixConn) {
	defer func() { _ = conn.Close() }()
	command, _ := io.ReadAll(conn)
	r.mu.Lock()
	fault, released := r.fault, r.released
	r.commands = append(r.commands, string(command))
	r.mu.Unlock()
	switch fault {
	case Hangs:
		<-released
	case Garbage:
		_, _ = io.WriteString(conn, "\x00\xff\x1b[31m \xc3\x28 "+strings.Repeat("#<PID> 1\n", 50))
	case Half:
		reply := r.ask(command)
		_, _ = conn.Write(reply[:len(reply)/2])
	case NoFault, Missing, Refuses:
		_, _ = conn.Write(r.ask(command))
	}
}

// ask returns nothing when the balancer does not answer.
func (r *Relay) ask(command []byte) []byte {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.to, Net: "unix"})
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write(command)
	_ = conn.CloseWrite()
	reply, _ := io.ReadAll(conn)
	return reply
}
