package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rollcall/registry"
)

// idleHosts is the environment variable that makes the test program the client's side of
// TestIdleConnections: both sides need a file descriptor for each connection, and one process
// may not have as many. The Go runtime takes for each what it may have at most.
const idleHosts = "ROLLCALL_TEST_IDLE_HOSTS"

func TestMain(m *testing.M) {
	if addr := os.Getenv(idleHosts); addr != "" {
		if err := sitIdle(addr, 10_000); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// sitIdle makes a request on each of n connections and keeps them all until its input ends.
func sitIdle(addr string, n int) error {
	conns := make([]net.Conn, n)
	for i := range conns {
		var err error
		if conns[i], err = net.Dial("tcp", addr); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		fmt.Fprint(conns[i], "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conns[i]), nil)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
	}
	fmt.Println("all are idle")
	_, err := io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.Close()
	}
	return err
}

// idleTakes is what an idle connection takes at most, in bytes.
const idleTakes = 32 << 10

// 10,000 connections can sit idle while requests are answered as usual.
func TestIdleConnections(t *testing.T) {
	const idle = 10_000
	g := NewGuard(GuardOptions{Connections: 65_536})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(New(registry.New(registry.Options{}), Options{Guard: g}), slog.New(slog.DiscardHandler))
	base := serveOn(t, server, g.Bound(server, l))
	quiet := slowest(t, base)
	before := inUse()
	hosts := exec.CommandContext(t.Context(), os.Args[0])
	hosts.Env = append(os.Environ(), idleHosts+"="+strings.TrimPrefix(base, "http://"))
	hosts.Stderr = os.Stderr
	in, err := hosts.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := hosts.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hosts.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "all are idle\n" {
		t.Fatalf("the hosts say %q, %v", line, err)
	}
	if got := g.Stats(); got.Connections < idle || got.Evicted != 0 || got.Refusals[LimitConnections] != 0 {
		t.Errorf("%+v", got)
	}
	took := (inUse() - before) / idle
	if took > idleTakes {
		t.Errorf("an idle connection takes %d bytes, at most %d should be", took, idleTakes)
	}
	t.Logf("an idle connection takes %d bytes; slowest of 100 requests: %v before, %v beside them", took, quiet, slowest(t, base))
	in.Close()
	if err := hosts.Wait(); err != nil {
		t.Error(err)
	}
	waitFor(t, "the connections are gone", func() bool { return g.Stats().Connections < idle/2 })
}

// slowest makes 100 requests, each on a connection of its own, and returns how long the
// slowest took; none may take a second.
func slowest(t *testing.T, base string) time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	most := time.Duration(0)
	for i := range 100 {
		begun := time.Now()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, fmt.Sprintf("%s/v2/keys/f/%d", base, i), strings.NewReader("value=1&ttl=60"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", formType)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("request %d: %s", i, resp.Status)
		}
		most = max(most, time.Since(begun))
	}
	if most > time.Second {
		t.Errorf("a request took %v", most)
	}
	return most
}
