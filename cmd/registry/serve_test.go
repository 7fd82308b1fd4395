package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
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

// requestTimeout is more than any request of a test needs, watches included.
const requestTimeout = 30 * time.Second

// request sends a request and returns its answer with the body unread.
func request(t *testing.T, method, url, form string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), requestTimeout)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(form))
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
		{[]string{"--listen", "nonsense"}, "client port:"},
		{[]string{"--listen", busy.Addr().String()}, "address already in use"},
		{[]string{anyPort, "--data-dir", "/dev/null/x"}, "data directory:"},
		{[]string{anyPort, "--max-body", "lots"}, "--max-body"},
		{[]string{anyPort, "--max-body", "0"}, "--max-body 0: must be from 1 to 8388608"},
		{[]string{anyPort, "--max-body", "8388609"}, "--max-body 8388609: must be from 1 to 8388608"},
		{[]string{anyPort, "--max-body", "-1"}, "--max-body -1: must be from 1 to 8388608"},
		{[]string{anyPort, "--advertise", "fe.example:4001"}, `--advertise "fe.example:4001": must be a URL`},
		{[]string{anyPort, "--advertise", "http://fe.example:4001,http://"}, `--advertise "http://": must be a URL`},
		{[]string{anyPort, "--advertise", "ftp://fe.example"}, `--advertise "ftp://fe.example": must be a URL`},
		{[]string{anyPort, "--debug-listen", "nonsense"}, "debug port:"},
		{[]string{anyPort, "--debug-listen", busy.Addr().String()}, "address already in use"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // ends a node that does run
		got := runCommand(ctx, testEnv(append([]string{"serve"}, tt.args...)))
		cancel()
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
