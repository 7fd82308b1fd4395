package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// startTimeout is generous: other work may be under way on the machine.
	startTimeout = 30 * time.Second
	// stopTimeout is what a process gets after SIGTERM, before it is killed.
	stopTimeout = 5 * time.Second
	// nodes is the size of the cluster; the last one is killed.
	nodes = 3
)

// process is a program that was started, and how to start it again.
type process struct {
	name string
	argv []string
	log  string // path of what it says
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func (p *process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // The process has its own.
	p.cmd = exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.done = done
	go func(cmd *exec.Cmd) {
		defer close(done)
		_ = cmd.Wait() // What matters of its end is in its log.
	}(p.cmd)
	return nil
}

// stop ends the process by a signal, and by SIGKILL if that does not help.
func (p *process) stop(how syscall.Signal) {
	_ = p.cmd.Process.Signal(how) // It may have ended by itself.
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// rig is all that runs.
type rig struct {
	dir        string
	processes  []*process // in the order of their start
	nodes      []*process
	lbsync     *process
	urls       []string // of the nodes
	balance    string   // URL of HAProxy
	cert, key  string   // paths of the PEM files that all use
	client     *http.Client
	prometheus *prometheus
	progress   io.Writer
}

// newRig starts everything and returns when all of it answers. Close it.
func newRig(ctx context.Context, o options, progress io.Writer) (_ *rig, err error) {
	dir, err := os.MkdirTemp(o.dir, "dashboards-")
	if err != nil {
		return nil, err
	}
	r := &rig{dir: dir, progress: progress}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if err := r.makeTLS(); err != nil {
		return nil, err
	}
	var addrs []string // of nodes for clients, of nodes for each other, of HAProxy, lbsync and Prometheus
	for range 2*nodes + 3 {
		addr, err := ports.FreeAddr(ctx)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	clients, peers, rest := addrs[:nodes], addrs[nodes:2*nodes], addrs[2*nodes:]
	if err := r.startNodes(ctx, o.registry, clients, peers); err != nil {
		return nil, err
	}
	if err := r.startBalancer(ctx, o, rest[0], rest[1]); err != nil {
		return nil, err
	}
	return r, r.startPrometheus(ctx, o.prometheus, rest[2], clients, rest[1])
}

// launch starts a process and waits until a URL answers with 200; "" waits for nothing.
func (r *rig) launch(ctx context.Context, name, url string, argv ...string) (*process, error) {
	p := &process{name: name, argv: argv, log: filepath.Join(r.dir, name+".log")}
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	r.processes = append(r.processes, p)
	kit.Progress(r.progress, "%s is started", name)
	if url == "" {
		return p, nil
	}
	return p, p.waitReady(ctx, r.client, url)
}

func (p *process) waitReady(ctx context.Context, client *http.Client, url string) error {
	for deadline := time.Now().Add(startTimeout); ; {
		err := probe(ctx, client, url)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %s", p.name, kit.Tail(p.log))
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w: %s", p.name, err, kit.Tail(p.log))
		}
		if err := kit.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// probe asks a URL, as a supervisor does.
func probe(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

func (r *rig) startNodes(ctx context.Context, program string, clients, peers []string) error {
	for i, addr := range clients {
		name := fmt.Sprintf("node-%d", i+1)
		p, err := r.launch(ctx, name, "", program, "serve", "--name", name, "--listen", addr, "--gossip-listen", peers[i],
			"--join", strings.Join(peers, ","), "--data-dir", filepath.Join(r.dir, name),
			"--tls-cert", r.cert, "--tls-key", r.key)
		if err != nil {
			return err
		}
		r.nodes, r.urls = append(r.nodes, p), append(r.urls, "https://"+addr)
	}
	for i, p := range r.nodes {
		if err := p.waitReady(ctx, r.client, r.urls[i]+"/readyz"); err != nil {
			return err
		}
	}
	return nil
}

// firstConfig is what HAProxy runs until lbsync has written its own: nothing but the address.
const firstConfig = `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend first
  bind %s
`

func (r *rig) startBalancer(ctx context.Context, o options, balance, status string) error {
	config, master := filepath.Join(r.dir, "haproxy.cfg"), filepath.Join(r.dir, "master.sock")
	if err := os.WriteFile(config, fmt.Appendf(nil, firstConfig, balance), 0o644); err != nil {
		return err
	}
	if _, err := r.launch(ctx, "haproxy", "", o.haproxy, "-W", "-S", master, "-f", config); err != nil {
		return err
	}
	settings := filepath.Join(r.dir, "lbsync.yaml")
	text := fmt.Appendf(nil, "endpoints: [%s]\ntls: {cacert: %q}\nlisten: %q\nlisten_tls: {cert: %q, key: %q}\nstate_dir: %q\nservices:\n  frontends: {prefix: /frontends, port: 8080}\n"+
		"haproxy:\n  - config: %q\n    services: [frontends]\n    bind: %q\n    runtime_socket: %q\n    master_socket: %q\n    check: [%q, -c, -f, \"{file}\"]\n",
		strings.Join(r.urls, ", "), r.cert, status, r.cert, r.key, filepath.Join(r.dir, "state"), config, balance, filepath.Join(r.dir, "admin.sock"), master, o.haproxy)
	if err := os.WriteFile(settings, text, 0o644); err != nil {
		return err
	}
	var err error
	r.balance = "http://" + balance
	r.lbsync, err = r.launch(ctx, "lbsync", "https://"+status+"/livez", o.registry, "lbsync", "--config", settings)
	return err
}

func (r *rig) startPrometheus(ctx context.Context, program, addr string, clients []string, status string) error {
	config := filepath.Join(r.dir, "prometheus.yaml")
	job := fmt.Sprintf("scheme: https, tls_config: {ca_file: %q}", r.cert)
	text := fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %s}\nscrape_configs:\n"+
		"  - {job_name: rollcall, %s, static_configs: [%s]}\n  - {job_name: rollcall-lbsync, %s, static_configs: [%s]}\n",
		scrapeInterval, scrapeInterval, job, targets("node-1", clients[0])+", "+targets("node-2", clients[1])+", "+targets("node-3", clients[2]), job, targets("lbsync", status))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	r.prometheus = &prometheus{url: "http://" + addr}
	_, err := r.launch(ctx, "prometheus", r.prometheus.url+"/-/ready", program, "--config.file", config,
		"--storage.tsdb.path", filepath.Join(r.dir, "tsdb"), "--web.listen-address", addr, "--log.level", "warn")
	return err
}

// targets is a target of Prometheus, with a name instead of its address, which is another one in each run.
func targets(name, addr string) string {
	return fmt.Sprintf("{targets: [%q], labels: {instance: %s, namespace: test}}", addr, name)
}

// close stops all, the latest first, and removes what they have left.
func (r *rig) close() {
	for _, p := range slices.Backward(r.processes) {
		p.stop(syscall.SIGTERM)
	}
	_ = os.RemoveAll(r.dir) // It is in a directory for such things.
}
