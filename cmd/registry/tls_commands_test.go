package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// mutualProcess is a node whose clients need a certificate, and the files for them.
type mutualProcess struct {
	*serving
	url        string
	ca         *testCA
	dir        tlsDir
	nodeCert   string // path
	cacert     string // path
	cert, key  string // paths of a client's
	clientArgs []string
	clientVars []string
	known      *tlsClient
	unknown    *tlsClient // without a certificate
}

func startMutual(t *testing.T, pair issued, args ...string) *mutualProcess {
	t.Helper()
	ca := newTestCA(t, "a")
	p := &mutualProcess{ca: ca, dir: newTLSDir(t)}
	cfg := newTLSConfig(t, p.dir, ca.issue(t, pair))
	p.nodeCert, p.cacert = cfg.cert, p.dir.write(t, "ca.pem", ca.pem)
	own := ca.issue(t, issued{client: true})
	p.cert, p.key = p.dir.writePair(t, "client", own)
	p.known, p.unknown = newTLSClient(t, ca, own), newTLSClient(t, ca)
	vars := []string{
		"PATH=" + os.Getenv("PATH"), "ROLLCALL_TLS_CERT=" + cfg.cert, "ROLLCALL_TLS_KEY=" + cfg.key, "ROLLCALL_TLS_CLIENT_CA=" + p.cacert,
	}
	p.serving = startProcess(t, vars, append([]string{anyPort, "--name=dot"}, args...)...)
	p.url = strings.Replace(p.base, "http:", "https:", 1)
	p.clientArgs = []string{"--cacert", p.cacert, "--cert", p.cert, "--key", p.key, "--endpoints", p.url}
	p.clientVars = []string{"ROLLCALL_CACERT=" + p.cacert, "ROLLCALL_CERT=" + p.cert, "ROLLCALL_KEY=" + p.key, "ROLLCALL_ENDPOINTS=" + p.url}
	return p
}

// output runs a program that has to succeed.
func output(t *testing.T, vars []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = vars
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", cmd.Args, err, text)
	}
	return string(text)
}

// Every command that asks a node does so over TLS.
func TestCommandsOverTLS(t *testing.T) {
	t.Parallel()
	p := startMutual(t, issued{})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"set", "/d/a", "1"}, "1\n"},
		{[]string{"mk", "/d/b", "2"}, "2\n"},
		{[]string{"update", "/d/b", "3"}, "3\n"},
		{[]string{"mkdir", "/e"}, ""},
		{[]string{"get", "/d/b"}, "3\n"},
		{[]string{"ls", "/d"}, "/d/a\n/d/b\n"},
		{[]string{"rm", "/d/b"}, ""},
		{[]string{"members"}, "dot   " + p.url},
		{[]string{"backup", p.dir.write(t, "backup", nil)}, "3 entries"},
		{[]string{"import", "--from", p.url, "--from-cacert", p.cacert, "--from-cert", p.cert, "--from-key", p.key}, "same: 3"},
	} {
		bare := runCommand(t.Context(), testEnv(tt.args, "ROLLCALL_ENDPOINTS="+p.url))
		if bare.code != exitUnavailable || !strings.Contains(bare.stderr, "certificate signed by unknown authority") {
			t.Errorf("%v without files: %+v", tt.args, bare)
		}
		got := runCommand(t.Context(), testEnv(append(tt.args, p.clientArgs...)))
		if got.code != 0 || !strings.Contains(got.stdout, tt.want) {
			t.Errorf("%v: %+v, want %q", tt.args, got, tt.want)
		}
	}
}

// The flags come from the environment, too, and by etcdctl's older names.
func TestWatchOverTLS(t *testing.T) {
	t.Parallel()
	p := startMutual(t, issued{})
	watch := start(t, testEnv([]string{"watch", "/d/w"}, p.clientVars...))
	lbtest.Eventually(t, 10*time.Second, "the watch waits", func() bool {
		_, body, err := p.unknown.ask(t, http.MethodGet, p.url+"/metrics", "")
		return err == nil && strings.Contains(body, "\nrollcall_watchers 1\n")
	})
	if got := runCommand(t.Context(), testEnv([]string{"set", "/d/w", "4"}, p.clientVars...)); got.code != 0 {
		t.Errorf("set: %+v", got)
	}
	watch.want(t, "4")
	watch.wantCode(t, 0)
	got := runCommand(t.Context(), testEnv([]string{"get", "/d/w", "--ca-file", p.cacert, "--cert-file", p.cert, "--key-file", p.key, "--endpoint", p.url}))
	if got != (outcome{0, "4\n", ""}) {
		t.Errorf("with etcdctl's flags: %+v", got)
	}
}

// What is missing or wrong is said.
func TestCommandsWithWrongFiles(t *testing.T) {
	t.Parallel()
	p := startMutual(t, issued{})
	got := runCommand(t.Context(), testEnv([]string{"get", "/d/w", "--cacert", p.cacert, "--endpoints", p.url}))
	if got.code != exitRefused || !strings.Contains(got.stderr, "110: The request requires user authentication (a client certificate is wanted (--cert and --key))") {
		t.Errorf("without a certificate: %+v", got)
	}
	// Applied waits for balancers that are not there, at a node that it reaches.
	got = runCommand(t.Context(), testEnv([]string{"applied", "/d/a", "--timeout", "100ms"}, p.clientVars...))
	if got.code != exitTimeout || strings.Contains(got.stderr, "certificate") {
		t.Errorf("applied: %+v", got)
	}
	for want, args := range map[string][]string{
		"open /none: no such file":                   {"--cacert", "/none"},
		"holds no certificate in PEM":                {"--cacert", p.key},
		"a certificate needs its key":                {"--cert", p.cert},
		"certificate " + p.cert + " and key /none: ": {"--cert", p.cert, "--key", "/none"},
	} {
		if got := runCommand(t.Context(), testEnv(append([]string{"get", "/a"}, args...))); got.code != exitFailure || !strings.Contains(got.stderr, want) {
			t.Errorf("%v: %+v, want %q", args, got, want)
		}
	}
}

func TestOtherClientsOverTLS(t *testing.T) {
	t.Parallel()
	p := startMutual(t, issued{})
	vars := []string{"ETCDCTL_API=2"}
	curl := []string{"-sS", "--cacert", p.cacert, "--cert", p.cert, "--key", p.key, p.url + "/v2/keys/a"}
	if got := output(t, vars, "curl", append(curl, "-XPUT", "-dvalue=1")...); !strings.Contains(got, `"value":"1"`) {
		t.Errorf("curl: %s", got)
	}
	if got := output(t, vars, "curl", "-sS", "--cacert", p.cacert, "-w%{http_version} %{http_code}", p.url+"/readyz"); got != "ok\n1.1 200" {
		t.Errorf("a probe by curl: %s", got)
	}
	if got := output(t, vars, "curl", "-sS", "--cacert", p.cacert, p.url+"/v2/keys/a"); !strings.Contains(got, `"errorCode":110`) {
		t.Errorf("curl without a certificate: %s", got)
	}
	// It asks for the members first and then goes on with the URLs that it is told.
	etcdctl := []string{"--endpoints", p.url, "--ca-file", p.cacert, "--cert-file", p.cert, "--key-file", p.key}
	if got := output(t, vars, "etcdctl", append(etcdctl, "set", "/b", "2")...); got != "2\n" {
		t.Errorf("etcdctl set: %s", got)
	}
	if got := output(t, vars, "etcdctl", append(etcdctl, "ls", "--sort")...); got != "/a\n/b\n" {
		t.Errorf("etcdctl ls: %s", got)
	}
}

// A process reads the files again at SIGHUP and goes on.
func TestTLSHangup(t *testing.T) {
	t.Parallel()
	p := startMutual(t, issued{})
	p.dir.writePair(t, "node", p.ca.issue(t, issued{name: "other.example"}))
	p.hangup(t)
	conf := p.known.conf.Clone()
	conf.ServerName = "other.example"
	lbtest.Eventually(t, 10*time.Second, "the other certificate is served", func() bool {
		conn, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.base, "http://"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// lbsync in the node's own process needs no files, whatever name the certificate has; it goes on when that changes.
func TestServeWithLbsyncAndTLS(t *testing.T) {
	t.Parallel()
	d := newSupervisedDir(t, "")
	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "report: none", "report: /_lbsync", 1))
	p := startMutual(t, issued{name: "node.example"}, "--lbsync="+d.file("lbsync.yaml"))
	p.known.conf.ServerName = "node.example"
	put := func(key, value string) {
		t.Helper()
		if status, body, err := p.known.ask(t, http.MethodPut, p.url+"/v2/keys"+key, "value="+value); err != nil || status >= 300 {
			t.Errorf("PUT %s: %d %s %v", key, status, body, err)
		}
	}
	put("/frontends/fe1", "10.0.1.1")
	d.has(t, "haproxy.cfg", "# one\n# 10.0.1.1:8080\n")
	p.dir.writePair(t, "node", p.ca.issue(t, issued{name: "node.example"}))
	d.write(t, "lbsync.yaml", strings.Replace(d.yaml, "8080", "9090", 1))
	p.hangup(t)
	d.has(t, "haproxy.cfg", "# 10.0.1.1:9090\n")
	put("/frontends/fe2", "10.0.1.2")
	d.has(t, "haproxy.cfg", "# 10.0.1.2:9090\n")
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// lbsync takes the files from lbsync.yaml and from its flags, which win.
func TestLbsyncOverTLS(t *testing.T) {
	t.Parallel()
	p := startMutual(t, issued{})
	if got := runCommand(t.Context(), testEnv([]string{"set", "/frontends/fe1", "10.0.1.1"}, p.clientVars...)); got.code != 0 {
		t.Fatalf("set: %+v", got)
	}
	files := "\ntls: {cacert: " + p.cacert + ", cert: " + p.cert + ", key: " + p.key + "}"
	for name, tt := range map[string]struct {
		yaml string
		args []string
		code int
		want string // on standard error
	}{
		"file":                {files, nil, 0, ""},
		"flags":               {"", p.clientArgs[:6], 0, ""},
		"flags win":           {strings.ReplaceAll(files, ".pem", ".none"), p.clientArgs[:6], 0, ""},
		"none":                {"", nil, exitUnavailable, "certificate signed by unknown authority"},
		"no certificate":      {"", p.clientArgs[:2], exitRefused, "a client certificate is wanted"},
		"files that are away": {strings.ReplaceAll(files, ".pem", ".none"), nil, exitFailure, "ca.none: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newSupervisedDir(t, endpoints(p.url)+tt.yaml)
			got := runCommand(t.Context(), testEnv(append([]string{"lbsync", "--once", "--config", d.file("lbsync.yaml")}, tt.args...)))
			if got.code != tt.code || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("%+v, want %d %q", got, tt.code, tt.want)
			}
			if tt.code == 0 {
				d.has(t, "haproxy.cfg", "# 10.0.1.1:8080\n")
			}
		})
	}
}
