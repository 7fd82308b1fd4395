package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/registry"
)

// start serves a store on a loopback port; edit may shorten the server's time-outs.
func start(t *testing.T, store *registry.Store, edit func(*http.Server)) (base string) {
	t.Helper()
	return startAPI(t, New(store, Options{}), edit)
}

func startAPI(t *testing.T, api http.Handler, edit func(*http.Server)) (base string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(api, slog.New(slog.DiscardHandler))
	if edit != nil {
		edit(server)
	}
	return serveOn(t, server, l)
}

// serveOn serves until the test ends.
func serveOn(t *testing.T, server *http.Server, l net.Listener) (base string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// Requests that drip are cut off, in their header and in their body.
func TestSlowRequestsAreCutOff(t *testing.T) {
	base := start(t, registry.New(registry.Options{}), func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout = 50*time.Millisecond, 100*time.Millisecond
	})
	for name, start := range map[string]string{
		"half a header": "PUT /v2/keys/a HTTP/1.1\r\nHost: x\r\nContent-",
		"half a body": "PUT /v2/keys/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
			"Content-Length: 100\r\n\r\nvalue=1",
		"nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, start)
			if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Fatalf("the connection stayed open: %v", err)
			}
			if strings.Contains(string(answer), "HTTP/1.1 2") {
				t.Errorf("half a request was accepted: %s", answer)
			}
		})
	}
	if resp := get(t, base+"/v2/keys/a"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("half a request left something: %s", resp.Status)
	}
}

// The time-outs of ordinary requests do not end a watch.
func TestWatchOutlivesTimeouts(t *testing.T) {
	store := registry.New(registry.Options{})
	const timeout = 50 * time.Millisecond
	base := start(t, store, func(s *http.Server) {
		s.ReadTimeout, s.WriteTimeout = timeout, timeout
	})
	resp := get(t, base+"/v2/keys/a?wait=true&stream=true")
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		<-time.After(3 * timeout) // the very thing under test: more than the time-outs passes
		put(t, store, "/a", strconv.Itoa(i))
		line, err := lines.ReadString('\n')
		if err != nil || !strings.Contains(line, fmt.Sprintf(`"value":"%d"`, i)) {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
	}
}

func put(t *testing.T, store *registry.Store, key registry.Key, value string) {
	t.Helper()
	if _, err := store.Put(key, registry.PutOptions{Value: value}); err != nil {
		t.Fatal(err)
	}
}

// A stream that is not read loses its place, holds nobody up, and is told in its last
// document, after which it ends.
func TestSlowStreamIsTold(t *testing.T) {
	store := registry.New(registry.Options{WatchQueue: 8})
	base := start(t, store, nil)
	resp := get(t, base+"/v2/keys/a?wait=true&stream=true")
	big := strings.Repeat("x", 1<<20) // soon more than the sockets hold
	for store.Stats().WatchesLost == 0 {
		put(t, store, "/a", big)
	}
	lines := bufio.NewReaderSize(resp.Body, 4<<20)
	var last string
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = line
	}
	if !strings.Contains(last, `"errorCode":401`) {
		t.Errorf("the stream ended with %.200q", last)
	}
}

// A client that goes away takes its watch with it.
func TestWatchEndsWithItsClient(t *testing.T) {
	store := registry.New(registry.Options{})
	base := start(t, store, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2/keys/a?wait=true", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	waitFor(t, "the watch begins", func() bool { return store.Stats().Watchers == 1 })
	cancel()
	waitFor(t, "the watch ends", func() bool { return store.Stats().Watchers == 0 })
}

// A watch that announces a body and does not send it begins only when the body is
// there: net/http would not see its client go.
func TestWatchReadsItsBodyFirst(t *testing.T) {
	store := registry.New(registry.Options{})
	base := start(t, store, func(s *http.Server) { s.ReadTimeout = 100 * time.Millisecond })
	for name, header := range map[string]string{
		"never sent": "Content-Length: 10\r\n\r\n",
		"asked for":  "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n",
		"endless":    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET /v2/keys/a?wait=true HTTP/1.1\r\nHost: x\r\n"+header)
			if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Fatalf("the connection stayed open: %v", err)
			}
			if strings.Contains(string(answer), "HTTP/1.1 200") || store.Stats().Watches != 0 {
				t.Errorf("a watch began: %s", answer)
			}
		})
	}
}

// Watches whose reader takes nothing, not even headers, do not last.
func TestPipelinedWatchesEnd(t *testing.T) {
	store := registry.New(registry.Options{})
	put(t, store, "/a", strings.Repeat("x", 64<<10))
	api := New(store, Options{watchWriteTimeout: 200 * time.Millisecond})
	base := startAPI(t, api, func(s *http.Server) { s.WriteTimeout = 200 * time.Millisecond })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Each gets its 64 KiB at once, and nobody reads them, until a header finds no room.
	failed := make(chan struct{})
	go func() {
		defer close(failed)
		for {
			if _, err := io.WriteString(conn, "GET /v2/keys/a?wait=true&waitIndex=1 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				return
			}
		}
	}()
	select {
	case <-failed:
	case <-time.After(20 * time.Second):
		t.Error("the connection stayed open")
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// Keys of any bytes come back as they went in.
func TestKeysOfAllBytes(t *testing.T) {
	base := start(t, registry.New(registry.Options{}), nil)
	for _, key := range []string{"/a b", "/a+b", "/ä/ö", "/%41", "/a?b", "/a#b", "/a;b&c=d", "/.../x", "/..x", "/" + strings.Repeat("k", 64<<10)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut,
			base+(&url.URL{Path: "/v2/keys" + key}).EscapedPath()+"?value=1", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf(`"key":%s`, appendString(nil, key)); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%.40q: answer %.80s, %v", key, body, err)
		}
	}
}
