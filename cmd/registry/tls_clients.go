package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// withoutCertificate are the paths that need no client certificate: a kubelet has none to show.
var withoutCertificate = []string{"/livez", "/readyz", "/health", "/metrics"}

// needsCertificate tells whether a path is for clients with a certificate only.
func needsCertificate(path string) bool {
	for _, open := range withoutCertificate {
		rest, below := strings.CutPrefix(path, open+"/")
		if path == open || below && !strings.Contains(rest, "/") { // The handler redirects what is not clean.
			return false
		}
	}
	return true
}

// A clientVerdict says that a connection's client is known, by which files and until when.
type clientVerdict struct {
	by    *tlsIdentity
	until time.Time
}

// verdictKey is where a connection's context has its latest verdict, an *atomic.Pointer[clientVerdict].
type verdictKey struct{}

// rememberClients has the server keep one verdict a connection, so that a certificate is not verified for each request.
func (k *tlsKeeper) rememberClients(server *http.Server) {
	former := server.ConnContext
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if former != nil {
			ctx = former(ctx, c)
		}
		return context.WithValue(ctx, verdictKey{}, new(atomic.Pointer[clientVerdict]))
	}
}

// protect has requests of clients without a certificate of --tls-client-ca, as it is now, refused. A connection of before
// is asked again when the files change and when the certificate expires. Requests without TLS come from this process.
func (k *tlsKeeper) protect(next http.Handler, refuse func(http.ResponseWriter, error)) http.Handler {
	if k == nil || k.cfg.clientCA == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && needsCertificate(r.URL.Path) {
			if err := k.admit(r, time.Now()); err != nil {
				w.Header().Set("Connection", "close") // The client's next certificate comes with another connection.
				refuse(w, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// admit returns why the client of a request is not to be served.
func (k *tlsKeeper) admit(r *http.Request, now time.Time) error {
	id := k.current.Load()
	kept, _ := r.Context().Value(verdictKey{}).(*atomic.Pointer[clientVerdict])
	if kept != nil {
		if v := kept.Load(); v != nil && v.by == id && now.Before(v.until) {
			return nil
		}
	}
	until, err := id.verify(r.TLS, now)
	if err == nil && kept != nil {
		kept.Store(&clientVerdict{by: id, until: until})
	}
	return err
}

var errNoCertificate = errors.New("a client certificate is wanted (--cert and --key)")

// verify returns until when a client's certificate holds.
func (i *tlsIdentity) verify(state *tls.ConnectionState, now time.Time) (time.Time, error) {
	if len(state.PeerCertificates) == 0 {
		return time.Time{}, errNoCertificate
	}
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	chains, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: i.clientCAs, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("client certificate: %w", err)
	}
	return endOf(chains[0]), nil
}

// endOf is when the first certificate of a chain expires.
func endOf(chain []*x509.Certificate) time.Time {
	end := chain[0].NotAfter
	for _, cert := range chain[1:] {
		if cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end
}

// refuseClient answers as etcd does to who has to be somebody else.
func refuseClient(w http.ResponseWriter, err error) {
	body, _ := json.Marshal(map[string]any{ //nolint:errchkjson // strings and numbers
		"errorCode": 110, "message": "The request requires user authentication", "cause": err.Error(), "index": 0,
	})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write(append(body, '\n')) // A client that has gone needs no answer.
}
