package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
	t.Parallel()
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
	if err := os.WriteFile(indexFile(dir), fmt.Append(nil, bound), 0o600); err != nil {
		t.Fatal(err)
	}
	n, _ = runNode(t, nodeConfig{name: "dot", dataDir: dir})
	if got := setIndex(t, n.URL()); got <= bound {
		t.Errorf("index %d after a restart, %d may have been given out before", got, bound)
	}
}

// A service manager's SIGTERM and a person's Ctrl-C end a node with watches attached well.
func TestSignalsEndANodeWell(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := startProcess(t, nil, anyPort, "--gossip-listen=127.0.0.1:0")
			poll := request(t, "GET", s.base+"/v2/keys/a?wait=true", "")
			stream := request(t, "GET", s.base+"/v2/keys/a?wait=true&stream=true&recursive=true", "")
			if code := s.stop(t, signal); code != 0 {
				t.Errorf("exit code %d", code)
			}
			for name, resp := range map[string]*http.Response{"long poll": poll, "stream": stream} {
				if text, err := io.ReadAll(resp.Body); err != nil || len(text) > 0 {
					t.Errorf("%s ended with %q, %v; want a clean end", name, text, err)
				}
			}
		})
	}
}

// bound reads a node's index file.
func bound(t *testing.T, dataDir string) uint64 {
	t.Helper()
	text, err := os.ReadFile(indexFile(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	index, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// A process that is stopped or killed leaves a bound of the indexes that it has given
// out, from which the next goes on, and a watch of the former run is told to list again.
func TestEndedProcessLeavesABound(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			args := []string{anyPort, "--name", "dot", "--data-dir", filepath.Join(t.TempDir(), "dot")}
			dir := args[len(args)-1]
			s := startProcess(t, nil, args...)
			last := setIndex(t, s.base)
			s.stop(t, signal)
			left := bound(t, dir)
			if left < last || signal == syscall.SIGTERM && left != last {
				t.Errorf("%s holds %d after %d was given out", indexFile(dir), left, last)
			}

			s = startProcess(t, nil, args...)
			if got := setIndex(t, s.base); got <= left {
				t.Errorf("index %d after a restart, %d may have been given out before", got, left)
			}
			resume := answer(t, "GET", fmt.Sprintf("%s/v2/keys/a?wait=true&waitIndex=%d", s.base, last+1), "")
			if !strings.Contains(resume, `"errorCode":401`) {
				t.Errorf("a watch of the former run got %s", resume)
			}
		})
	}
}
