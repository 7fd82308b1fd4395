package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runNode runs a node on a free port until the test ends or stop is called, which
// returns what Run returned.
func runNode(t *testing.T, cfg nodeConfig) (n *node, stop func() error) {
	t.Helper()
	cfg.listen = "127.0.0.1:0"
	n, err := newNode(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			return context.DeadlineExceeded
		}
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return n, stop
}

// request sends a request and returns its answer with the body unread.
func request(t *testing.T, method, url, form string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// answer returns the whole answer to a request as text.
func answer(t *testing.T, method, url, form string) string {
	t.Helper()
	text, err := io.ReadAll(request(t, method, url, form).Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// setIndex writes a key and returns its index.
func setIndex(t *testing.T, base string) uint64 {
	t.Helper()
	var put struct {
		Node struct {
			ModifiedIndex uint64 `json:"modifiedIndex"`
		} `json:"node"`
	}
	if err := json.Unmarshal([]byte(answer(t, "PUT", base+"/v2/keys/a", "value=1")), &put); err != nil {
		t.Fatal(err)
	}
	return put.Node.ModifiedIndex
}

// Watches do not hold up a stop: their clients get a clean end, and soon.
func TestStopReleasesWatches(t *testing.T) {
	n, stop := runNode(t, nodeConfig{name: "dot"})
	poll := request(t, "GET", n.URL()+"/v2/keys/a?wait=true", "")
	stream := request(t, "GET", n.URL()+"/v2/keys/a?wait=true&stream=true&recursive=true", "")
	begin := time.Now()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > stopTimeout/2 {
		t.Errorf("the stop took %v", took)
	}
	for name, resp := range map[string]*http.Response{"long poll": poll, "stream": stream} {
		if text, err := io.ReadAll(resp.Body); err != nil || len(text) > 0 {
			t.Errorf("%s ended with %q, %v; want a clean end", name, text, err)
		}
	}
}

// A request that never ends is cut off at the end of the time for stopping.
func TestStopIsBounded(t *testing.T) {
	n, stop := runNode(t, nodeConfig{name: "dot"})
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", n.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PUT /v2/keys/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"+
		"Expect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// The node asks for the body, so the request is being served; the body never comes.
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Indexes grow across restarts, stopped or killed, also when the clock was set back.
func TestIndexesGrowAcrossRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dot")
	n, stop := runNode(t, nodeConfig{name: "dot", dataDir: dir})
	last := setIndex(t, n.URL())
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// As if the clock had been an hour ahead until now.
	bound := last + uint64(time.Hour/(16*time.Microsecond))
	if err := os.WriteFile(filepath.Join(dir, "index"), fmt.Append(nil, bound), 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ = runNode(t, nodeConfig{name: "dot", dataDir: dir})
	if got := setIndex(t, n.URL()); got <= bound {
		t.Errorf("index %d after a restart, %d may have been given out before", got, bound)
	}
}

// A killed process leaves a mark from which the next goes on, and a watch of the
// former run is told to list again.
func TestKilledNodeGoesOn(t *testing.T) {
	program := filepath.Join(t.TempDir(), "registry")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	dir := filepath.Join(t.TempDir(), "dot")
	base, kill := startProcess(t, program, dir)
	last := setIndex(t, base)
	kill(syscall.SIGKILL)
	base, _ = startProcess(t, program, dir)
	if got := setIndex(t, base); got <= last {
		t.Errorf("index %d after %d", got, last)
	}
	resume := answer(t, "GET", fmt.Sprintf("%s/v2/keys/a?wait=true&waitIndex=%d", base, last+1), "")
	if !strings.Contains(resume, `"errorCode":401`) {
		t.Errorf("a watch of the former run got %s", resume)
	}
}

// startProcess runs the program's serve and waits until it answers.
func startProcess(t *testing.T, program, dir string) (base string, signal func(syscall.Signal)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "serve", "--name", "dot", "--data-dir", dir, "--listen", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	signal = func(s syscall.Signal) {
		_ = cmd.Process.Signal(s) // it may have ended
		_ = cmd.Wait()
	}
	t.Cleanup(func() { signal(syscall.SIGTERM) })
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, stderr) //nolint:errcheck // only so that the process never waits for us
	address := regexp.MustCompile(`"listen":"([^"]+)"`).FindStringSubmatch(line)
	if address == nil {
		t.Fatalf("no address in %s", line)
	}
	return "http://" + address[1], signal
}

func TestServeRefusesWhatItCannotDo(t *testing.T) {
	busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--join", "10.0.0.1:7946"}, "--join: this version runs one node alone"},
		{[]string{"--gossip-key-file", "keys"}, "--gossip-key-file: this version"},
		{[]string{"--listen", "nonsense"}, "client port:"},
		{[]string{"--listen", busy.Addr().String()}, "address already in use"},
		{[]string{"--listen", "127.0.0.1:0", "--data-dir", "/dev/null/x"}, "data directory:"},
		{[]string{"--listen", "127.0.0.1:0", "--max-body", "lots"}, "--max-body"},
	} {
		got := runCommand(t.Context(), testEnv(append([]string{"serve"}, tt.args...)))
		if got.code != exitFailure || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%v: exit %d, %q; want %q", tt.args, got.code, got.stderr, tt.want)
		}
	}
}

// What clients are told to use is what they can dial.
func TestReachable(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:4001": "127.0.0.1:4001",
		"[::1]:4001":     "[::1]:4001",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(tcp); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	wildcard, err := net.ResolveTCPAddr("tcp", "0.0.0.0:4001")
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(reachable(wildcard))
	if err != nil || port != "4001" || net.ParseIP(host) == nil || net.ParseIP(host).IsUnspecified() {
		t.Errorf("0.0.0.0: %s:%s, %v", host, port, err)
	}
}

// The node's own endpoints are all there.
func TestNodeEndpoints(t *testing.T) {
	n, _ := runNode(t, nodeConfig{name: "dot"})
	for path, want := range map[string]string{
		"/livez":          "ok\n",
		"/readyz?verbose": "[+]store ok\nok\n",
		"/metrics":        "rollcall_entries 0\n",
		"/version":        `"rollcall":"test"`,
		"/v2/machines":    n.URL(),
		"/v2/members":     `"name":"dot"`,
	} {
		if got := answer(t, "GET", n.URL()+path, ""); !strings.Contains(got, want) {
			t.Errorf("%s: %.200s, want %q", path, got, want)
		}
	}
}
