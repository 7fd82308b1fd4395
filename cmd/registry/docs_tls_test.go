//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/lbsync/lbtest"
)

// The commands of docs/tls.md make files that a node takes, and talk to it.
func TestDocumentedTLS(t *testing.T) {
	t.Parallel()
	d := openDocument(t, "docs/tls.md")
	dir := t.TempDir()
	term := openTerminal(t, nil, "env", "--chdir", dir)
	serve, files, clients := d.sh("registry serve "), d.sh("new="), d.sh("curl ")
	term.run(files)
	serve.text = strings.Replace(serve.text, " serve ", " serve --check-config ", 1) // The address is another machine's.
	term.run(serve)
	file := func(name string) string { return "=" + filepath.Join(dir, name) }
	p := startProcess(t, nil, anyPort, "--tls-cert"+file("node.pem"), "--tls-key"+file("node.key"), "--tls-client-ca"+file("ca.pem"))
	clients.text = strings.ReplaceAll(clients.text, "127.0.0.1:4001", strings.TrimPrefix(p.base, "http://"))
	got := term.run(clients)
	if !strings.Contains(got, `"value":"10.0.1.1"`) || !strings.HasSuffix(got, "/frontends/fe1\n/frontends/fe1\nok\n") {
		t.Errorf("got %s", got)
	}

	probe := d.take("yaml", "readinessProbe:\n") // The chart's tests run probes over TLS.
	if !strings.Contains(probe.text, "{path: /readyz, port: 4001, scheme: HTTPS}") {
		t.Errorf("%s: %s", probe.where, probe.text)
	}
	scrape := d.take("yaml", "scrape_configs:\n")
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(scrape.text), 0o600); err != nil {
		t.Fatal(err)
	}
	term.run(docBlock{where: scrape.where, text: lbtest.Program(t, "promtool") + " check config --syntax-only prometheus.yaml"})

	port := d.take("yaml", "listen: 10.0.0.9:4002\nlisten_tls: ")
	l := newSupervisedDir(t, endpoints(startNode(t, http.StatusOK, listingOfTwo)))
	l.yaml = strings.Replace(l.yaml, "listen: 127.0.0.1:0\n", strings.NewReplacer(
		"10.0.0.9:4002", "127.0.0.1:0", "/etc/rollcall/lb", filepath.Join(dir, "node"), "/etc/rollcall", dir).Replace(port.text), 1)
	l.write(t, "lbsync.yaml", l.yaml)
	s, _, _ := runSupervisor(t, l)
	l.has(t, "haproxy.cfg", "# 10.0.1.1:8080\n")
	status := d.sh("registry lbsync status ")
	status.text = strings.Replace(status.text, "10.0.0.9:4002", s.addr(), 1)
	if got := term.run(status); !strings.Contains(got, "frontends  /frontends  2 ") {
		t.Errorf("%s: %s", status.where, got)
	}
}
