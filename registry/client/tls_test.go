package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// httptest's own certificate and key are all that these tests need: who trusts it, and who shows it.
func testPair(t *testing.T) (server *httptest.Server, cert, key []byte) {
	t.Helper()
	server = httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	pair := server.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return server, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A certificate is read again for each connection, and the last good one stands in for a bad one.
func TestTLSFilesAreReadAgain(t *testing.T) {
	_, cert, key := testPair(t)
	dir := t.TempDir()
	files := TLSFiles{Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k")}
	writeFile(t, files.Cert, cert)
	writeFile(t, files.Key, key)
	conf, err := files.Config()
	if err != nil {
		t.Fatal(err)
	}
	chain := func() int {
		t.Helper()
		pair, err := conf.GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(pair.Certificate)
	}
	if n := chain(); n != 1 {
		t.Errorf("a chain of %d", n)
	}
	writeFile(t, files.Cert, append(cert, cert...))
	if n := chain(); n != 2 {
		t.Errorf("a new chain of %d", n)
	}
	writeFile(t, files.Key, nil)
	if n := chain(); n != 2 {
		t.Errorf("without a key a chain of %d", n)
	}
	if conf, err := (TLSFiles{}).Config(); conf != nil || err != nil {
		t.Errorf("no files: %v, %v", conf, err)
	}
}

// Where client and node do not agree on TLS nothing was done, and the caller of a conditional write is told so.
func TestRefusedHandshakeIsNoUnknownOutcome(t *testing.T) {
	server, _, _ := testPair(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, url := range map[string]string{
		"unknown authority": server.URL,
		"plain HTTP":        "https://" + plain.Listener.Addr().String(),
	} {
		c, err := New([]string{url}, Options{Rounds: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Create(t.Context(), "/a", "1", CreateOptions{}); !IsUnavailable(err) || IsOutcomeUnknown(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The alert of a server that wants a certificate is known: with TLS 1.2 it comes in the handshake, with 1.3 after it.
func TestAlertsAreKnown(t *testing.T) {
	server, _, _ := testPair(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		strict := server.TLS.Clone()
		strict.ClientAuth = tls.RequireAnyClientCert
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = tls.Server(far, strict).HandshakeContext(t.Context())
			_ = far.Close()
		}()
		err := askOver(t.Context(), near, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		<-done
		if !isRefusedHandshake(err) || !neverSent(err) {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	if isRefusedHandshake(&net.OpError{Op: "remote error", Err: tls.AlertError(80)}) { // Internal error: of any moment.
		t.Error("an alert that may come after a request counts as one of the handshake")
	}
}

// askOver returns the error of a handshake, or of reading after it.
func askOver(ctx context.Context, c net.Conn, conf *tls.Config) error {
	conn := tls.Client(c, conf)
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	return err
}
