package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
)

// newMutual returns the configuration of a node whose clients need a certificate of an authority.
func newMutual(t *testing.T, d tlsDir, ca, clients *testCA) tlsConfig {
	t.Helper()
	cfg := newTLSConfig(t, d, ca.issue(t, issued{}))
	cfg.clientCA = d.write(t, "clients.pem", clients.pem)
	return cfg
}

// Only clients with a certificate reach keys, and the others are told why not.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca, clients := newTestCA(t, "a"), newTestCA(t, "clients")
	n, _ := runNode(t, nodeConfig{name: "dot", maxBody: 1 << 20, tls: newMutual(t, newTLSDir(t), ca, clients)})
	for name, tt := range map[string]struct {
		own    []pemPair
		status int
		want   string
	}{
		"good":            {[]pemPair{clients.issue(t, issued{client: true})}, http.StatusOK, `"action":"get"`},
		"none":            {nil, http.StatusUnauthorized, `"cause":"a client certificate is wanted`},
		"other authority": {[]pemPair{ca.issue(t, issued{client: true})}, http.StatusUnauthorized, "signed by unknown authority"},
		"expired":         {[]pemPair{clients.issue(t, issued{client: true, end: time.Now().Add(-time.Minute)})}, http.StatusUnauthorized, "certificate has expired"},
		"a server's":      {[]pemPair{clients.issue(t, issued{})}, http.StatusUnauthorized, "incompatible key usage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTLSClient(t, ca, tt.own...)
			c.want(t, n.URL()+"/v2/keys/", tt.status, tt.want)
			c.want(t, n.URL()+"/v2/keys/", tt.status, tt.want)
			for _, path := range []string{"/livez", "/livez/store", "/readyz", "/readyz/store", "/health", "/metrics"} {
				c.want(t, n.URL()+path, http.StatusOK, "")
			}
			if tt.status == http.StatusOK {
				return
			}
			for _, path := range []string{"/", "/version", "/v1/backup", "/v2/members", "/v2/stats/self", "/metrics/x/y", "/livez/../v2/keys/a/b", "//livez"} {
				status, body, err := c.ask(t, http.MethodGet, n.URL()+path, "")
				if err != nil || status != http.StatusUnauthorized || !strings.HasPrefix(body, `{"cause":`) {
					t.Errorf("%s: %d %q, %v", path, status, body, err)
				}
			}
			if status, _, err := c.ask(t, http.MethodPut, n.URL()+"/v2/keys/a", "value=1"); err != nil || status != http.StatusUnauthorized {
				t.Errorf("PUT: %d, %v", status, err)
			}
		})
	}
}

// What looks like a probe's path and leads elsewhere is answered by a redirect at most.
func TestOpenPathsLeadNowhere(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "a")
	n, _ := runNode(t, nodeConfig{name: "dot", tls: newMutual(t, newTLSDir(t), ca, ca)})
	c := newTLSClient(t, ca)
	for _, path := range []string{"/livez/..", "/readyz/%2e%2e", "/livez/..%2fv2%2fkeys"} {
		status, body, err := c.ask(t, http.MethodGet, n.URL()+path, "")
		if err != nil || status != http.StatusMovedPermanently && status != http.StatusUnauthorized || strings.Contains(body, "action") {
			t.Errorf("%s: %d %q, %v", path, status, body, err)
		}
	}
}

// The authorities change, and connections of before are held to the new ones.
func TestClientAuthorityChanges(t *testing.T) {
	t.Parallel()
	ca, first, second := newTestCA(t, "a"), newTestCA(t, "first"), newTestCA(t, "second")
	d := newTLSDir(t)
	n, _ := runNode(t, nodeConfig{name: "dot", tls: newMutual(t, d, ca, first)})
	old, next := newTLSClient(t, ca, first.issue(t, issued{client: true})), newTLSClient(t, ca, second.issue(t, issued{client: true}))
	both := func(oldStatus, nextStatus int) {
		t.Helper()
		for range 2 {
			old.want(t, n.URL()+"/v2/keys/", oldStatus, "")
			next.want(t, n.URL()+"/v2/keys/", nextStatus, "")
		}
	}
	change := func(pems ...[]byte) {
		t.Helper()
		text := bytes.Join(pems, nil)
		d.write(t, "clients.pem", text)
		lbtest.Eventually(t, 5*tlsLookInterval, "the file is taken over", func() bool { return n.tls.current.Load().files.clientCA == string(text) })
	}
	both(http.StatusOK, http.StatusUnauthorized)
	change(first.pem, second.pem)
	both(http.StatusOK, http.StatusOK)
	change(second.pem)
	both(http.StatusUnauthorized, http.StatusOK)
}

// A connection's client is verified once, until the certificate has expired.
func TestClientVerdictEnds(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "a")
	k, _ := newTestKeeper(t, newMutual(t, newTLSDir(t), ca, ca))
	end := time.Now().Add(time.Minute).Truncate(time.Second)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	var admitted []bool
	server.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, now := range []time.Time{time.Now(), end.Add(-time.Second), end.Add(time.Second)} {
			admitted = append(admitted, k.admit(r, now) == nil)
		}
	})
	server.Listener = k.listen(server.Config, server.Listener)
	server.Start()
	defer server.Close()
	c := newTLSClient(t, ca, ca.issue(t, issued{client: true, end: end}))
	c.want(t, strings.Replace(server.URL, "http", "https", 1), http.StatusOK, "")
	if !slices.Equal(admitted, []bool{true, true, false}) {
		t.Errorf("admitted now, shortly before and after the end: %v", admitted)
	}
}
