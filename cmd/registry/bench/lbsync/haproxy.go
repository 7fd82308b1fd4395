package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync"
	driver "rollcall/lbsync/haproxy"
	"rollcall/lbsync/lbtest/ports"
)

// cliTimeout bounds one exchange with the master; a reload takes its socket away for some 50 ms.
const cliTimeout = 2 * time.Second

// A haproxy is a running HAProxy and its configuration.
type haproxy struct {
	*process
	conf lbsync.HAProxy
	addr string // for clients
}

// startHAProxy starts HAProxy with the file that lbsync would write for some hosts. Without sockets the file has no
// runtime API.
func (b *bench) startHAProxy(ctx context.Context, dir string, sockets bool, hosts []string) (*haproxy, error) {
	addr, err := ports.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	master := filepath.Join(dir, "master.sock")
	h := &haproxy{addr: addr, conf: lbsync.HAProxy{
		Config: filepath.Join(dir, "haproxy.cfg"), Services: []string{service}, Bind: addr,
		Check: lbsync.Command{b.haproxy, "-c", "-f", "{file}"},
	}}
	if sockets {
		h.conf.RuntimeSocket, h.conf.MasterSocket = filepath.Join(dir, "admin.sock"), master
	}
	text, err := h.render(hosts)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(h.conf.Config, text, 0o644); err != nil {
		return nil, err
	}
	h.process, err = launch(ctx, "HAProxy", filepath.Join(dir, "haproxy.log"), b.haproxy, "-W", "-S", master, "-f", h.conf.Config)
	if err != nil {
		return nil, err
	}
	h.conf.Reload = lbsync.Command{"kill", "-USR2", strconv.Itoa(h.pid())}
	return h, h.waitReady(ctx, func() (bool, error) {
		_, err := h.reloads(ctx)
		return err == nil, err
	})
}

// render writes the file for some hosts as lbsync would.
func (h *haproxy) render(hosts []string) ([]byte, error) {
	target, err := driver.NewTarget(h.conf, driver.Options{RunAs: driver.DefaultRunAs()})
	if err != nil {
		return nil, err
	}
	return render(target, hosts)
}

// yaml is its part of lbsync.yaml.
func (h *haproxy) yaml() string {
	return fmt.Sprintf("haproxy:\n  - config: %q\n    services: [%s]\n    bind: %q\n    runtime_socket: %q\n    master_socket: %q\n"+
		"    check: %s\n    reload: %s\n",
		h.conf.Config, service, h.conf.Bind, h.conf.RuntimeSocket, h.conf.MasterSocket, list(h.conf.Check), list(h.conf.Reload))
}

// ask sends one command to the master, and tries again while its socket is away.
func (h *haproxy) ask(ctx context.Context, command string) (answer string, err error) {
	for deadline := time.Now().Add(cliTimeout); ; {
		answer, err = h.askOnce(ctx, command)
		if err == nil && strings.TrimSpace(answer) != "" || time.Now().After(deadline) {
			return answer, err
		}
		if err := kit.Pause(ctx, 2*time.Millisecond); err != nil {
			return "", err
		}
	}
}

func (h *haproxy) askOnce(ctx context.Context, command string) (string, error) {
	path := filepath.Join(filepath.Dir(h.conf.Config), "master.sock")
	conn, err := (&net.Dialer{Timeout: cliTimeout}).DialContext(ctx, "unix", path)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // It has been read to its end.
	if err := conn.SetDeadline(time.Now().Add(cliTimeout)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	// The master keeps the connection until the client has closed its side.
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// reloads counts the reloads since the start.
func (h *haproxy) reloads(ctx context.Context) (int, error) {
	answer, err := h.ask(ctx, "show proc")
	if err != nil {
		return 0, err
	}
	return parseReloads(answer)
}

// parseReloads reads the third column of the master's line.
func parseReloads(answer string) (int, error) {
	for line := range strings.Lines(answer) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[1] == "master" {
			return strconv.Atoi(fields[2])
		}
	}
	return 0, fmt.Errorf("show proc: no master in %.200q", answer)
}

// pool returns the addresses that the running worker sends requests to.
func (h *haproxy) pool(ctx context.Context) (map[string]bool, error) {
	answer, err := h.ask(ctx, "@1 show servers state "+service)
	if err != nil {
		return nil, err
	}
	return parseServers(answer)
}

// parseServers reads the rows of "show servers state" of version 1: the fifth column is the IP address, the seventh what
// keeps the server from its work, the 19th the port.
func parseServers(answer string) (map[string]bool, error) {
	if !strings.HasPrefix(strings.TrimSpace(answer), "1\n#") {
		return nil, fmt.Errorf("show servers state: not version 1: %.200q", answer)
	}
	pool := map[string]bool{}
	for line := range strings.Lines(answer) {
		if f := strings.Fields(line); len(f) > 18 && f[1] == service && f[6] == "0" {
			pool[net.JoinHostPort(f[4], f[18])] = true
		}
	}
	return pool, nil
}

// serves tells whether the running worker has a server with an address. Unlike pool it costs next to nothing, however
// large the pool is: reading all of it again and again would slow down what is measured.
func (h *haproxy) serves(ctx context.Context, addr string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, err
	}
	answer, err := h.ask(ctx, "@1 get weight "+service+"/s_"+host+"_"+port)
	return strings.Contains(answer, "(initial"), err
}
