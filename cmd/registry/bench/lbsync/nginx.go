package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest/ports"
	driver "rollcall/lbsync/nginx"
)

// operatorConf is what an operator has around lbsync's file.
const operatorConf = `daemon off;
worker_processes 2;
error_log DIR/error.log notice;
pid DIR/pid;
events {}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    include DIR/conf.d/*.conf;
    server {
        listen ADDR;
        location / {
            proxy_pass http://SERVICE;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 1s;
        }
    }
}
`

// An nginx is a running nginx and its configuration.
type nginx struct {
	*process
	conf lbsync.Nginx
	dir  string
	addr string // for clients
}

// startNginx starts nginx with the file that lbsync would write for some hosts. With verify it tells its generation.
func (b *bench) startNginx(ctx context.Context, dir string, verify bool, hosts []string) (*nginx, error) {
	n := &nginx{dir: dir}
	var err error
	if n.addr, err = ports.FreeAddr(ctx); err != nil {
		return nil, err
	}
	main := filepath.Join(dir, "nginx.conf")
	n.conf = lbsync.Nginx{
		Config: filepath.Join(dir, "conf.d", "frontends.conf"), Services: []string{service},
		Check:  lbsync.Command{b.nginx, "-t", "-p", dir, "-c", main},
		Reload: lbsync.Command{b.nginx, "-s", "reload", "-p", dir, "-c", main},
	}
	if verify {
		if n.conf.Verify, err = ports.FreeAddr(ctx); err != nil {
			return nil, err
		}
	}
	text, err := n.render(hosts)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Dir(n.conf.Config), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(n.conf.Config, text, 0o644); err != nil {
		return nil, err
	}
	around := strings.NewReplacer("DIR", dir, "ADDR", n.addr, "SERVICE", service).Replace(operatorConf)
	if err := os.WriteFile(main, []byte(around), 0o644); err != nil {
		return nil, err
	}
	if n.process, err = launch(ctx, "nginx", filepath.Join(dir, "nginx.log"), b.nginx, "-p", dir, "-c", main); err != nil {
		return nil, err
	}
	return n, n.waitReady(ctx, func() (bool, error) {
		_, err := os.Stat(filepath.Join(dir, "pid"))
		return err == nil, err
	})
}

// render writes the file for some hosts as lbsync would.
func (n *nginx) render(hosts []string) ([]byte, error) {
	target, err := driver.NewTarget(n.conf, driver.Options{})
	if err != nil {
		return nil, err
	}
	return render(target, hosts)
}

// yaml is its part of lbsync.yaml.
func (n *nginx) yaml() string {
	return fmt.Sprintf("nginx:\n  - config: %q\n    services: [%s]\n    verify: %q\n    check: %s\n    reload: %s\n",
		n.conf.Config, service, n.conf.Verify, list(n.conf.Check), list(n.conf.Reload))
}

// reloads counts the reloads since the start, by the log of the master.
func (n *nginx) reloads(context.Context) (int, error) {
	text, err := os.ReadFile(filepath.Join(n.dir, "error.log"))
	return strings.Count(string(text), "(SIGHUP) received"), err
}

// pool returns the addresses in the file, when nginx tells that it serves this file.
func (n *nginx) pool(ctx context.Context) (map[string]bool, error) {
	served, err := n.generation(ctx)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(n.conf.Config)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(text), `"`+served+`"`) {
		return nil, fmt.Errorf("nginx serves generation %s, not that of the file", served)
	}
	return parseUpstream(string(text)), nil
}

// parseUpstream returns the addresses of the lines "server ADDRESS …;" that are not down.
func parseUpstream(text string) map[string]bool {
	pool := map[string]bool{}
	for line := range strings.Lines(text) {
		f := strings.Fields(strings.TrimRight(line, ";\n"))
		if len(f) > 1 && f[0] == "server" && f[1] != "{" && f[len(f)-1] != "down" {
			pool[f[1]] = true
		}
	}
	return pool
}

// generation asks nginx on a new connection.
func (n *nginx) generation(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.conf.Verify+"/rollcall-gen", http.NoBody)
	if err != nil {
		return "", err
	}
	req.Close = true
	resp, err := (&http.Client{Timeout: time.Second}).Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // It has been read.
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("generation: %s", resp.Status)
	}
	return strings.TrimSpace(string(text)), err
}

// serves tells whether nginx serves the file in place and that has an address. The file is read only when nginx tells
// another generation than known, which is the one before.
func (n *nginx) serves(ctx context.Context, addr, known string) (bool, error) {
	served, err := n.generation(ctx)
	if err != nil || served == known {
		return false, err
	}
	pool, err := n.pool(ctx)
	return pool[addr], err
}
