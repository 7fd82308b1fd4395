package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
	"rollcall/registry/client"
)

// runDemo starts a demo on free ports, with its files in a directory of its own, and returns what it prints at first.
func runDemo(t *testing.T, args ...string) (p process, text, balance string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	balance = freeAddress(t)
	p = start(t, testEnv(append([]string{"demo", "--listen", "127.0.0.1:0", "--balance", balance}, args...)))
	var lines strings.Builder
	deadline := time.After(30 * time.Second)
	for !strings.Contains(lines.String(), "Ctrl-C stops everything.") {
		select {
		case line, more := <-p.lines:
			if !more {
				t.Fatalf("the demo has ended:\n%s", lines.String())
			}
			lines.WriteString(line + "\n")
		case <-deadline:
			t.Fatalf("the demo is not up:\n%s", lines.String())
		}
	}
	p.want(t, "")
	return p, lines.String(), balance
}

// freeAddress is a loopback address where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + lbtest.FreePort(t)
}

// ends stops the demo and checks that it leaves nothing.
func ends(t *testing.T, p process, addresses ...string) {
	t.Helper()
	p.stop()
	p.wantCode(t, 0)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	for _, a := range addresses {
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(a, "http://")); err == nil {
			_ = conn.Close()
			t.Errorf("somebody still listens at %s", a)
		}
	}
}

// found is the first submatch of a pattern in the demo's text.
func found(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	return m[1]
}

// fetch makes a request on a connection of its own. An error is given as text.
func fetch(t *testing.T, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

var greeting = regexp.MustCompile(`^Hello from (fe\d) at 127\.0\.0\.1:\d+\n$`)

// served asks the balancer a dozen times and tells who has answered, in the order of their names.
func served(t *testing.T, balance string) string {
	t.Helper()
	names := map[string]bool{}
	for range 12 {
		body := fetch(t, http.MethodGet, "http://"+balance)
		m := greeting.FindStringSubmatch(body)
		if m == nil {
			return body
		}
		names[m[1]] = true
	}
	var out []string
	for _, name := range []string{"fe1", "fe2", "fe3"} {
		if names[name] {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// eventually asks again until the answer is right, for as long as a demo's change may take.
func eventually(t *testing.T, want string, ask func() string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(demoTTL + 10*time.Second); time.Now().Before(deadline); {
		if got = ask(); got == want {
			return
		}
		time.Sleep(50 * time.Millisecond) // Between two looks at real processes.
	}
	t.Fatalf("got %q, want %q", got, want)
}

// TestDemo does what the demo invites to: the balancer goes round the frontends; one that dies and one that leaves get
// no more requests; a stop leaves nothing behind.
func TestDemo(t *testing.T) {
	p, text, balance := runDemo(t)
	node := found(t, text, `registry node +(http://\S+)`)
	crash, leave := found(t, text, `(http://\S+)/crash`), found(t, text, `(http://\S+)/leave`)
	ask := func() string { return served(t, balance) }
	eventually(t, "fe1 fe2 fe3", ask)

	if got := fetch(t, http.MethodPost, leave+"/leave"); !strings.Contains(got, "fe2 leaves") {
		t.Errorf("leave: %s", got)
	}
	eventually(t, "fe1 fe3", ask)
	if got := fetch(t, http.MethodPost, crash+"/crash"); !strings.Contains(got, "fe1 has crashed") {
		t.Errorf("crash: %s", got)
	}
	eventually(t, "fe3", ask)

	c := newTestClient(t, node)
	gone := func() string {
		if _, err := c.Get(t.Context(), "/frontends/fe1", client.GetOptions{}); client.IsNotFound(err) {
			return "gone"
		}
		return "there"
	}
	eventually(t, "gone", gone)
	for _, event := range []string{"[compareAndDelete] /frontends/fe2", "[expire] /frontends/fe1"} {
		if line := <-p.lines; !strings.HasSuffix(line, event) {
			t.Errorf("line %q, want %q", line, event)
		}
	}
	ends(t, p, balance, node, crash, leave)
}

// TestDemoWithoutHAProxy shows what would be written, says that nothing balances, and writes nothing.
func TestDemoWithoutHAProxy(t *testing.T) {
	p, text, balance := runDemo(t, "--haproxy", "no-such-haproxy")
	for _, want := range []string{
		"load balancer   none: HAProxy is not installed", "No load balancer is running", "apt-get install haproxy",
		"    bind " + balance, "    server ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "curl -s http://"+balance) {
		t.Errorf("it invites to a balancer that is not there:\n%s", text)
	}
	files, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v; want the demo's directory", files, err)
	}
	if _, err := os.Stat(os.Getenv("TMPDIR") + "/" + files[0].Name() + "/haproxy.cfg"); !os.IsNotExist(err) {
		t.Errorf("an unchecked configuration is written: %v", err)
	}
	ends(t, p, found(t, text, `registry node +(http://\S+)`), found(t, text, `(http://\S+)/crash`))
}

// TestDemoPortTaken: the error names the address and the flag to change.
func TestDemoPortTaken(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	for flag, args := range map[string][]string{
		"--listen":  {"demo", "--listen", taken, "--balance", freeAddress(t)},
		"--balance": {"demo", "--listen", "127.0.0.1:0", "--balance", taken},
	} {
		got := runCommand(t.Context(), testEnv(args))
		if got.code != exitFailure || !strings.Contains(got.stderr, taken+": bind: address already in use") || !strings.Contains(got.stderr, flag) {
			t.Errorf("%s: %+v", flag, got)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestDemoEndsWithItsBalancer: when HAProxy goes, the demo does not pretend.
func TestDemoEndsWithItsBalancer(t *testing.T) {
	p, _, _ := runDemo(t)
	dirs, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("files %v, %v; want the demo's directory", dirs, err)
	}
	killPID(t, os.Getenv("TMPDIR")+"/"+dirs[0].Name()+"/haproxy.pid")
	p.wantCode(t, exitFailure)
}

// killPID ends the process whose number is in a file.
func killPID(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}
