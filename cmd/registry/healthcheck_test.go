package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
		{"half a certificate", []string{"--tls-cert", "a.pem"}, 1, "", "belong together"},
		{"no certificate there", []string{"--tls-cert", "none.pem", "--tls-key", "none.pem"}, 1, "", "client certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := runCommand(t.Context(), testEnv(append([]string{"healthcheck"}, c.args...)))
			if got.code != c.code || got.stdout != c.stdout || !strings.Contains(got.stderr, c.stderr) {
				t.Errorf("code %d, stdout %q, stderr %q; want %d, %q, one with %q", got.code, got.stdout, got.stderr, c.code, c.stdout, c.stderr)
			}
		})
	}
}

// A node with a client CA ends the handshake of who shows no certificate.
func TestHealthcheckShowsItsCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := writePEM(t, "CERTIFICATE", pair.Certificate[0]), writePEM(t, "PRIVATE KEY", key)

	if got := runCommand(t.Context(), testEnv([]string{"healthcheck", "--url", server.URL})); got.code != 1 {
		t.Errorf("without a certificate: code %d, stderr %q", got.code, got.stderr)
	}
	got := runCommand(t.Context(), testEnv([]string{"healthcheck", "--url", server.URL}, "ROLLCALL_TLS_CERT="+cert, "ROLLCALL_TLS_KEY="+keyFile))
	if got.code != 0 || got.stdout != "ok\n" {
		t.Errorf("with a certificate: code %d, stdout %q, stderr %q", got.code, got.stdout, got.stderr)
	}
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
