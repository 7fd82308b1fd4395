package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
)

// TLSFiles are the paths of PEM files for https nodes. An empty path is none.
type TLSFiles struct {
	// CACert holds the certificates of the authorities to trust, instead of the system's.
	CACert string
	// Cert is what this client shows nodes that ask for a certificate, and Key is its key. They go together.
	Cert, Key string
}

var errHalfPair = errors.New("client: a certificate needs its key, and a key its certificate")

// Config reads the files and returns what [Options].TLS takes, nil when there are none. Cert and Key are read again for
// each connection, so that they can be renewed; when they cannot be used then, the last ones that could be are.
func (f TLSFiles) Config() (*tls.Config, error) {
	if f == (TLSFiles{}) {
		return nil, nil //nolint:nilnil // nil means Go's own choice.
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, errHalfPair
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CACert != "" {
		roots, err := readRoots(f.CACert)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = roots
	}
	if f.Cert != "" {
		pair := &clientPair{files: f}
		if err := pair.load(); err != nil {
			return nil, err
		}
		conf.GetClientCertificate = pair.get
	}
	return conf, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("client: certificates to trust: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("client: certificates to trust: %s holds no certificate in PEM", path)
	}
	return roots, nil
}

// clientPair is a certificate and its key, as they were when they could be read last.
type clientPair struct {
	files TLSFiles

	mu   sync.Mutex // guards last
	last tls.Certificate
}

func (p *clientPair) load() error {
	pair, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
	if err != nil {
		return fmt.Errorf("client: certificate %s and key %s: %w", p.files.Cert, p.files.Key, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = pair
	return nil
}

// get returns the pair also when the node does not list its authority: then the node can say why it refuses it.
func (p *clientPair) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	_ = p.load() // The last pair stands in; the node tells when that has expired.
	p.mu.Lock()
	defer p.mu.Unlock()
	pair := p.last
	return &pair, nil
}

// handshakeAlerts are what a server answers to a handshake that it refuses. It has done nothing then, although with
// TLS 1.3 the request may have been on its way.
var handshakeAlerts = []tls.AlertError{
	40,  // handshake failure
	42,  // bad certificate
	43,  // unsupported certificate
	44,  // certificate revoked
	45,  // certificate expired
	46,  // certificate unknown
	48,  // unknown authority
	49,  // access denied
	70,  // protocol version
	112, // unrecognized name
	116, // certificate required
	120, // no application protocol
}

// isRefusedHandshake tells whether client and node did not agree on TLS, so that the node never saw the request.
func isRefusedHandshake(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return false
	}
	for _, alert := range handshakeAlerts { // crypto/tls does not show the alert but in words.
		if op.Err.Error() == alert.Error() {
			return true
		}
	}
	return false
}
