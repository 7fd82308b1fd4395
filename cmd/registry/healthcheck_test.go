package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheckTellsByItsExitCode(t *testing.T) {
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "[-]sync failed: no peer found yet", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/livez", http.StatusFound) })
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	secure := httptest.NewTLSServer(mux)
	t.Cleanup(secure.Close)
	gone := httptest.NewServer(mux)
	gone.Close()

	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{"well", []string{"--url", server.URL + "/livez"}, 0, "ok\n", ""},
		{"not ready", []string{"--url", server.URL + "/readyz"}, 1, "", "503 Service Unavailable: [-]sync failed: no peer found yet"},
		{"a redirect is no answer", []string{"--url", server.URL + "/moved"}, 1, "", "302 Found"},
		{"no such route", []string{"--url", server.URL + "/healthz"}, 1, "", "404 Not Found"},
		{"hangs", []string{"--url", server.URL + "/hangs", "--timeout", "50ms"}, 1, "", "deadline exceeded"},
		{"nobody there", []string{"--url", gone.URL + "/livez"}, 1, "", "connection refused"},
		{"no URL", []string{"--url", "127.0.0.1:4001"}, 1, "", "must be a URL"},
		{"no time", []string{"--timeout", "0s"}, 1, "", "must be more than 0"},
		{"a certificate of nobody", []string{"--url", secure.URL + "/livez"}, 0, "ok\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := runCommand(t.Context(), testEnv(append([]string{"healthcheck"}, c.args...)))
			if got.code != c.code || got.stdout != c.stdout || !strings.Contains(got.stderr, c.stderr) {
				t.Errorf("code %d, stdout %q, stderr %q; want %d, %q, one with %q", got.code, got.stdout, got.stderr, c.code, c.stdout, c.stderr)
			}
		})
	}
}
