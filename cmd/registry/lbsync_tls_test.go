package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// tlsLbsync is an lbsync whose port speaks TLS, and what clients need.
type tlsLbsync struct {
	*lbsyncDir
	s      *supervisor
	log    *lbtest.Log
	reload func()
	ca     *testCA
	pems   tlsDir
	cacert string // path
	url    string
}

func startTLSLbsync(t *testing.T, more string) *tlsLbsync {
	t.Helper()
	l := &tlsLbsync{ca: newTestCA(t, "a"), pems: newTLSDir(t)}
	l.cacert = l.pems.write(t, "ca.pem", l.ca.pem)
	cert, key := l.pems.writePair(t, "lb", l.ca.issue(t, issued{}))
	l.lbsyncDir = newSupervisedDir(t, endpoints(startNode(t, http.StatusOK, listingOfTwo)))
	l.yaml += fmt.Sprintf("listen_tls: {cert: %q, key: %q%s}\n", cert, key, strings.ReplaceAll(more, "CA", l.cacert))
	l.write(t, "lbsync.yaml", l.yaml)
	l.s, l.log, l.reload = runSupervisor(t, l.lbsyncDir)
	l.url = "https://" + l.s.addr()
	l.has(t, "haproxy.cfg", "# 10.0.1.1:8080\n")
	return l
}

// command runs an lbsync command.
func (l *tlsLbsync) command(t *testing.T, args ...string) outcome {
	t.Helper()
	return runCommand(t.Context(), testEnv(append([]string{"lbsync"}, args...)))
}

// curl runs the real program and returns what it prints and its exit code.
func curl(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{"--silent", "--show-error", "--max-time", "10"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// The port of lbsync speaks TLS: to curl, to the commands, and to nobody who does not trust it.
func TestLbsyncPortOverTLS(t *testing.T) {
	t.Parallel()
	l := startTLSLbsync(t, "")
	for path, want := range map[string]string{
		"/livez": "ok\n", "/status": `"services":[{"name":"frontends"`, "/feeds/prometheus": "10.0.1.1", "/metrics": "rollcall_tls_last_reload_success 1\n",
	} {
		if got, code := curl(t, "--cacert", l.cacert, l.url+path); code != 0 || !strings.Contains(got, want) {
			t.Errorf("%s: exit %d, %.300s; want %q", path, code, got, want)
		}
	}
	if got, code := curl(t, l.url+"/livez"); code != 60 {
		t.Errorf("curl without the authority: exit %d, %s", code, got)
	}
	if got, code := curl(t, "--cacert", l.pems.write(t, "other.pem", newTestCA(t, "b").pem), l.url+"/livez"); code != 60 {
		t.Errorf("curl with another authority: exit %d, %s", code, got)
	}
	plain := strings.Replace(l.url, "https:", "http:", 1)
	if got, code := curl(t, "--write-out", "%{http_code}", plain+"/livez"); code != 0 || got != plainToTLS+"400" {
		t.Errorf("plain HTTP: exit %d, %q", code, got)
	}
	for _, tt := range []struct {
		args []string
		want outcome
	}{
		{[]string{"status", "--status", l.url, "--cacert", l.cacert}, outcome{0, "frontends  /frontends  2 ", ""}},
		{[]string{"explain", "10.0.1.1", "--status", l.url, "--cacert", l.cacert}, outcome{0, "10.0.1.1:8080 in frontends: in\n", ""}},
		{[]string{"release", "frontends", "--status", l.url, "--cacert", l.cacert}, outcome{0, "frontends: 0 hosts released\n", ""}},
		{[]string{"status", "--status", l.url}, outcome{exitUnavailable, "", "lbsync at " + l.url + ": tls: failed to verify certificate: x509: certificate signed by unknown authority\n"}},
		{[]string{"status", "--status", plain}, outcome{exitUnavailable, "", "lbsync at " + plain + " speaks TLS, use https://\n"}},
		{[]string{"status", "--status", l.url, "--cacert", "/none"}, outcome{exitFailure, "", "open /none: no such file"}},
		{[]string{"status", "--status", l.url, "--cert", "/none"}, outcome{exitFailure, "", "a certificate needs its key"}},
		{[]string{"status", "--status", "https://" + startLbsync(t, fakeState{})[len("http://"):]}, outcome{exitUnavailable, "", "server gave HTTP response to HTTPS client"}},
	} {
		got := l.command(t, tt.args...)
		if got.code != tt.want.code || !strings.Contains(got.stdout, tt.want.stdout) || !strings.Contains(got.stderr, tt.want.stderr) {
			t.Errorf("%q: %+v, want %+v", tt.args, got, tt.want)
		}
	}
}

// With client_ca only probes and metrics go without a certificate.
func TestLbsyncWantsCertificates(t *testing.T) {
	t.Parallel()
	l := startTLSLbsync(t, ", client_ca: CA")
	cert, key := l.pems.writePair(t, "client", l.ca.issue(t, issued{client: true}))
	strange, strangeKey := l.pems.writePair(t, "strange", newTestCA(t, "b").issue(t, issued{client: true}))
	show := func(path, cert, key string, args ...string) (string, int) {
		args = append(args, "--cacert", l.cacert, "--write-out", "%{http_code}", l.url+path)
		if cert != "" {
			args = append(args, "--cert", cert, "--key", key)
		}
		return curl(t, args...)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if got, code := show(path, "", ""); code != 0 || !strings.HasSuffix(got, "\n200") {
			t.Errorf("%s without a certificate: exit %d, %.200s", path, code, got)
		}
	}
	const release = "/v1/services/frontends/release"
	for path, args := range map[string][]string{"/status": nil, "/feeds/prometheus": nil, release: {"-XPOST"}, "/v3/discovery:endpoints": {"-d", "{}"}} {
		if got, _ := show(path, "", "", args...); got != "a client certificate is wanted (--cert and --key)\n401" {
			t.Errorf("%s without a certificate: %q", path, got)
		}
		if got, _ := show(path, strange, strangeKey, args...); !strings.Contains(got, "client certificate: x509: ") || !strings.HasSuffix(got, "401") {
			t.Errorf("%s with a stranger's: %q", path, got)
		}
		if got, _ := show(path, cert, key, args...); !strings.HasSuffix(got, "200") {
			t.Errorf("%s with a certificate: %q", path, got)
		}
	}
	if got := l.command(t, "status", "--status", l.url, "--cacert", l.cacert); got.code != exitRefused ||
		!strings.Contains(got.stderr, "lbsync at "+l.url+": a client certificate is wanted (--cert and --key)\n") {
		t.Errorf("status without a certificate: %+v", got)
	}
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "status"}, "ROLLCALL_STATUS="+l.url, "ROLLCALL_CACERT="+l.cacert, "ROLLCALL_CERT="+cert, "ROLLCALL_KEY="+key))
	if got.code != 0 || !strings.Contains(got.stdout, "frontends") {
		t.Errorf("status by the environment: %+v", got)
	}
}

// lbsyncCert is the certificate that a new client gets.
func (l *tlsLbsync) lbsyncCert(t *testing.T) []byte {
	t.Helper()
	conn, err := (&tls.Dialer{Config: newTLSClient(t, l.ca).conf}).DialContext(t.Context(), "tcp", l.s.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw})
}

// New files are taken over at the next look and with SIGHUP, also when lbsync.yaml is wrong then; what cannot be used is
// told and changes nothing.
func TestLbsyncTLSFilesChange(t *testing.T) {
	t.Parallel()
	l := startTLSLbsync(t, "")
	stays := newTLSClient(t, l.ca)
	stays.want(t, l.url+"/livez", http.StatusOK, "ok\n")
	next := l.ca.issue(t, issued{})
	l.pems.writePair(t, "lb", next)
	lbtest.Eventually(t, 10*time.Second, "the new certificate is served", func() bool { return bytes.Equal(l.lbsyncCert(t), next.cert) })
	l.write(t, "lbsync.yaml", "nonsense")
	last := l.ca.issue(t, issued{})
	l.pems.writePair(t, "lb", last)
	l.reload()
	lbtest.Eventually(t, tlsLookInterval/2, "a signal has the files looked at", func() bool { return bytes.Equal(l.lbsyncCert(t), last.cert) })
	l.pems.write(t, "lb.key", nil)
	l.reload()
	lbtest.Eventually(t, 10*time.Second, "a complaint", func() bool {
		return l.log.Has(complaint, "of=lbsync", "listen_tls.cert ", "listen_tls.key ")
	})
	if !bytes.Equal(l.lbsyncCert(t), last.cert) {
		t.Error("a faulty key has taken the certificate away")
	}
	stays.want(t, l.url+"/metrics", http.StatusOK, "rollcall_tls_last_reload_success 0\n")
	plain, _, _ := strings.Cut(l.yaml, "listen_tls:")
	l.write(t, "lbsync.yaml", plain)
	l.reload()
	lbtest.Eventually(t, 10*time.Second, "a warning", func() bool { return l.log.Has("a new listen_tls needs a restart") })
	stays.want(t, l.url+"/livez", http.StatusOK, "ok\n")
}

// An lbsync that cannot use its files does not start.
func TestLbsyncNeedsGoodTLS(t *testing.T) {
	t.Parallel()
	ca, pems := newTestCA(t, "a"), newTLSDir(t)
	cert, key := pems.writePair(t, "lb", ca.issue(t, issued{}))
	_, other := pems.writePair(t, "other", ca.issue(t, issued{}))
	for files, want := range map[string]string{
		"cert: " + cert + ", key: " + other:                           "listen_tls.cert " + cert + ", listen_tls.key " + other + ": tls: private key does not match public key",
		"cert: " + cert + ", key: /none":                              "listen_tls.key: open /none: no such file",
		"cert: " + cert + ", key: " + key + ", client_ca: " + key:     "listen_tls.client_ca " + key + ": holds no certificate in PEM",
		"cert: " + cert + ", key: " + key + ", client_ca: /none":      "listen_tls.client_ca: open /none: no such file",
		"cert: " + cert + ", key: " + key + ", client_certs: " + cert: "unknown field",
	} {
		d := newSupervisedDir(t, endpoints("http://127.0.0.1:1"))
		d.write(t, "lbsync.yaml", d.yaml+"listen_tls: {"+files+"}\n")
		s, err := newSupervisor(t.Context(), supervisorOptions{path: d.file("lbsync.yaml"), log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", files, err, want)
		}
		if s != nil && s.listener != nil {
			t.Errorf("%s: a port was bound", files)
		}
	}
}

// A node that speaks plain HTTP may run an lbsync whose port does not, and the other way round.
func TestLbsyncInANodeOverTLS(t *testing.T) {
	t.Parallel()
	ca, pems := newTestCA(t, "a"), newTLSDir(t)
	cert, key := pems.writePair(t, "lb", ca.issue(t, issued{}))
	d := newSupervisedDir(t, "")
	d.write(t, "lbsync.yaml", d.yaml+fmt.Sprintf("listen_tls: {cert: %q, key: %q}\n", cert, key))
	n, _ := runNode(t, nodeConfig{name: "dot", lbsync: d.file("lbsync.yaml")})
	newTLSClient(t, ca).want(t, "https://"+n.lbsync.addr()+"/metrics", http.StatusOK, "rollcall_tls_last_reload_success 1\n")
	resp := request(t, http.MethodGet, n.URL()+"/metrics", "")
	body, err := io.ReadAll(resp.Body)
	if err != nil || strings.Contains(string(body), "rollcall_tls_") {
		t.Errorf("the plain port of the node shows figures of TLS, %v", err)
	}
}
