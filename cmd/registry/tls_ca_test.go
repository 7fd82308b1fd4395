package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// testCA is an authority of a test's own.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// issued says what a certificate is to be like; its zero value is a node's at 127.0.0.1.
type issued struct {
	name   string // the one name; "" means 127.0.0.1
	client bool   // for clients, not for servers
	end    time.Time
}

// pemPair is a certificate and its key.
type pemPair struct{ cert, key []byte }

func newTestCA(t *testing.T, name string) *testCA {
	t.Helper()
	key := newTestKey(t)
	template := &x509.Certificate{
		SerialNumber: newSerial(t), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &testCA{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func newTestKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSerial(t *testing.T) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// issue makes a certificate.
func (ca *testCA) issue(t *testing.T, want issued) pemPair {
	t.Helper()
	key := newTestKey(t)
	if want.end.IsZero() {
		want.end = time.Now().Add(12 * time.Hour)
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(t), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: want.end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if want.client {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if want.name != "" {
		template.DNSNames = []string{want.name}
	} else {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemPair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// tlsDir holds PEM files.
type tlsDir string

func newTLSDir(t *testing.T) tlsDir {
	t.Helper()
	return tlsDir(t.TempDir())
}

// write puts a file in place as a whole and returns its path.
func (d tlsDir) write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(string(d), name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// writePair writes NAME.pem and NAME.key and returns their paths.
func (d tlsDir) writePair(t *testing.T, name string, pair pemPair) (cert, key string) {
	t.Helper()
	return d.write(t, name+".pem", pair.cert), d.write(t, name+".key", pair.key)
}

// newTLSConfig is the configuration of a node with such a certificate.
func newTLSConfig(t *testing.T, d tlsDir, pair pemPair) tlsConfig {
	t.Helper()
	cert, key := d.writePair(t, "node", pair)
	return tlsConfig{cert: cert, key: key}
}

// tlsClient trusts one authority. Its connections are its own.
type tlsClient struct {
	http.Client
	conf *tls.Config
}

func newTLSClient(t *testing.T, ca *testCA, own ...pemPair) *tlsClient {
	t.Helper()
	conf := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	conf.RootCAs.AddCert(ca.cert)
	for _, pair := range own {
		cert, err := tls.X509KeyPair(pair.cert, pair.key)
		if err != nil {
			t.Fatal(err)
		}
		// As curl does: whether the node lists the authority or not.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &tlsClient{Client: http.Client{
		Transport: transport, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, conf: conf}
}
