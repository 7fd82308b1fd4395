package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/lbsync/lbtest"
	"rollcall/registry/httpapi"
)

// ask returns status and body of an answer.
func (c *tlsClient) ask(t *testing.T, method, url, form string) (status int, body string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// want checks status and a part of the body.
func (c *tlsClient) want(t *testing.T, url string, status int, text string) {
	t.Helper()
	got, body, err := c.ask(t, http.MethodGet, url, "")
	if err != nil || got != status || !strings.Contains(body, text) {
		t.Errorf("GET %s: %d %.200q, %v; want %d, %q", url, got, body, err, status, text)
	}
}

func TestTLSNode(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "a")
	n, _ := runNode(t, nodeConfig{name: "dot", maxBody: 1 << 20, tls: newTLSConfig(t, newTLSDir(t), ca.issue(t, issued{}))})
	c := newTLSClient(t, ca)
	if !strings.HasPrefix(n.URL(), "https://") {
		t.Errorf("the node is at %s", n.URL())
	}
	if status, body, err := c.ask(t, http.MethodPut, n.URL()+"/v2/keys/a", "value=1"); err != nil || status != http.StatusCreated {
		t.Errorf("PUT: %d %s %v", status, body, err)
	}
	c.want(t, n.URL()+"/v2/machines", http.StatusOK, n.URL())
	c.want(t, n.URL()+"/v2/members", http.StatusOK, `"clientURLs":["`+n.URL()+`"]`)
	c.want(t, n.URL()+"/metrics", http.StatusOK, "rollcall_tls_reload_failures_total 0\n")
	c.want(t, n.URL()+"/readyz", http.StatusOK, "ok\n")
	resp, err := c.Get(n.URL() + "/version")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 1 || resp.TLS.NegotiatedProtocol != "http/1.1" {
		t.Errorf("a client that knows HTTP/2 gets %s, %q", resp.Proto, resp.TLS.NegotiatedProtocol)
	}
}

// Who speaks plain HTTP to the port is told so, by net/http in words of its own.
func TestPlainHTTPToTLS(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, nodeConfig{name: "dot", tls: newTLSConfig(t, newTLSDir(t), newTestCA(t, "a").issue(t, issued{}))})
	plain := "http://" + n.listener.Addr().String()
	resp := request(t, http.MethodGet, plain+"/v2/keys/", "")
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusBadRequest || string(body) != "Client sent an HTTP request to an HTTPS server.\n" {
		t.Errorf("%s %q, %v", resp.Status, body, err)
	}
	got := runCommand(t.Context(), testEnv([]string{"get", "/a", "--endpoints", plain}))
	if got.code != exitUnavailable || !strings.Contains(got.stderr, "the node speaks TLS, use https://") {
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
}

// What clients must not accept they do not, and say why.
func TestTLSClientsRefuse(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "a")
	for name, tt := range map[string]struct {
		pair pemPair
		want string
	}{
		"expired":         {ca.issue(t, issued{end: time.Now().Add(-time.Minute)}), "certificate has expired or is not yet valid"},
		"other authority": {newTestCA(t, "b").issue(t, issued{}), "certificate signed by unknown authority"},
		"other name":      {ca.issue(t, issued{name: "other.example"}), "cannot validate certificate for 127.0.0.1"},
		"client's":        {ca.issue(t, issued{client: true}), "incompatible key usage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTLSDir(t)
			n, _ := runNode(t, nodeConfig{name: "dot", tls: newTLSConfig(t, d, tt.pair)})
			args := []string{"mk", "/a", "1", "--endpoints", n.URL(), "--cacert", d.write(t, "ca.pem", ca.pem)}
			got := runCommand(t.Context(), testEnv(args)) // Not "may have been done or not": nothing was sent.
			if got.code != exitUnavailable || !strings.Contains(got.stderr, "no registry node answers") || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("exit %d: %s; want %q", got.code, got.stderr, tt.want)
			}
		})
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "a")
	n, _ := runNode(t, nodeConfig{name: "dot", tls: newTLSConfig(t, newTLSDir(t), ca.issue(t, issued{}))})
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conf := newTLSClient(t, ca).conf
		conf.MinVersion, conf.MaxVersion = version, version
		conn, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", n.listener.Addr().String())
		switch {
		case ok && err != nil:
			t.Errorf("%s: %v", tls.VersionName(version), err)
		case !ok && (err == nil || !strings.Contains(err.Error(), "remote error: tls: protocol version not supported")):
			t.Errorf("%s: %v, want the node's refusal", tls.VersionName(version), err)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

// The limit on connections sees through TLS: on one beyond it only probes are answered.
func TestConnectionLimitWithTLS(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t, "a")
	cfg := nodeConfig{name: "dot", tls: newTLSConfig(t, newTLSDir(t), ca.issue(t, issued{}))}
	cfg.limits.guard = httpapi.GuardOptions{Connections: 1}
	n, _ := runNode(t, cfg)
	watch, err := newTLSClient(t, ca).Get(n.URL() + "/v2/keys/a?wait=true") // Its connection is busy and stays.
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	newTLSClient(t, ca).want(t, n.URL()+"/v2/keys/", http.StatusServiceUnavailable, "too many connections")
	newTLSClient(t, ca).want(t, n.URL()+"/livez", http.StatusOK, "ok\n")
}

func TestServeRefusesBadTLS(t *testing.T) {
	t.Parallel()
	ca, d := newTestCA(t, "a"), newTLSDir(t)
	cert, key := d.writePair(t, "node", ca.issue(t, issued{}))
	_, otherKey := d.writePair(t, "other", ca.issue(t, issued{}))
	empty := d.write(t, "empty", nil)
	for _, tt := range []struct{ cert, key, ca, want string }{
		{cert, otherKey, "", "--tls-cert " + cert + ", --tls-key " + otherKey + ": tls: private key does not match public key"},
		{cert, "", "", "--tls-cert and --tls-key go together"},
		{"", key, "", "--tls-cert and --tls-key go together"},
		{"", "", cert, "--tls-client-ca: needs --tls-cert and --tls-key"},
		{cert + "x", key, "", "--tls-cert: open " + cert + "x: no such file"},
		{cert, key + "x", "", "--tls-key: open " + key + "x: no such file"},
		{cert, key, cert + "x", "--tls-client-ca: open " + cert + "x: no such file"},
		{empty, key, "", "failed to find any PEM data in certificate input"},
		{cert, key, empty, "--tls-client-ca " + empty + ": holds no certificate in PEM"},
	} {
		got := runCommand(t.Context(), testEnv([]string{"serve", anyPort, "--tls-cert", tt.cert, "--tls-key", tt.key, "--tls-client-ca", tt.ca}))
		if got.code != exitFailure || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("exit %d, %q; want %q", got.code, got.stderr, tt.want)
		}
	}
}

// A keeper of a test's looks when it is told to.
func newTestKeeper(t *testing.T, cfg tlsConfig) (k *tlsKeeper, log *lbtest.Log) {
	t.Helper()
	log, logger := lbtest.NewLog(t)
	k, err := newTLSKeeper(cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	return k, log
}

func (k *tlsKeeper) serves(pair pemPair) bool {
	return k.current.Load().files.cert == string(pair.cert)
}

const complaint = "TLS files cannot be used, the former ones stay"

func countLines(log *lbtest.Log, text string) int { return strings.Count(log.String(), text) }

// A pair is replaced file by file; a look in between is no reason to complain.
func TestTLSPairInHalves(t *testing.T) {
	t.Parallel()
	ca, d := newTestCA(t, "a"), newTLSDir(t)
	first, second := ca.issue(t, issued{}), ca.issue(t, issued{})
	k, log := newTestKeeper(t, newTLSConfig(t, d, first))
	d.write(t, "node.pem", second.cert)
	k.look(time.Now(), true)
	if !k.serves(first) {
		t.Error("half a pair is served")
	}
	d.write(t, "node.key", second.key)
	k.look(time.Now(), true)
	if !k.serves(second) || !log.Has("TLS files changed") || log.Has(complaint) || k.Stats().Failures != 0 {
		t.Errorf("the new pair is served: %v; log:\n%s", k.serves(second), log)
	}
}

// What cannot be used changes nothing and is told once for each fault.
func TestTLSKeepsWhatWorks(t *testing.T) {
	t.Parallel()
	ca, d := newTestCA(t, "a"), newTLSDir(t)
	first := ca.issue(t, issued{})
	cfg := newTLSConfig(t, d, first)
	cfg.clientCA = d.write(t, "clients.pem", ca.pem)
	k, log := newTestKeeper(t, cfg)
	expired := ca.issue(t, issued{end: time.Now().Add(-time.Minute)})
	faults := []struct {
		do   func()
		want string
	}{
		{func() { d.write(t, "node.pem", ca.issue(t, issued{}).cert) }, "private key does not match"},
		{func() { d.write(t, "node.pem", []byte("nonsense")) }, "failed to find any PEM data"},
		{func() { os.Remove(cfg.cert) }, "no such file"},
		{func() { d.writePair(t, "node", expired) }, "expired at"},
		{func() { d.writePair(t, "node", first); d.write(t, "clients.pem", nil) }, "holds no certificate"},
	}
	for i, f := range faults {
		f.do()
		for range 4 {
			k.look(time.Now(), true)
		}
		k.look(time.Now(), false)
		if !k.serves(first) || k.current.Load().clientCAs == nil || !log.Has(complaint, f.want) {
			t.Errorf("%q: the former files are not in use, or nothing is said of it", f.want)
		}
		if n := countLines(log, complaint); n != i+1 || k.Stats().Failures != uint64(i+1) || !k.Stats().Unusable {
			t.Errorf("%q: %d complaints, %d failures; want %d and a sign of it", f.want, n, k.Stats().Failures, i+1)
		}
	}
	d.write(t, "clients.pem", ca.pem)
	k.look(time.Now(), true)
	if k.Stats().Unusable {
		t.Error("the files are as they were, and count as unusable")
	}
	d.write(t, "node.pem", []byte("nonsense"))
	k.look(time.Now(), false) // A signal is not patient.
	if n := countLines(log, complaint); n != len(faults)+1 {
		t.Errorf("%d complaints after all was right and a signal found a fault, want %d", n, len(faults)+1)
	}
	d.writePair(t, "node", ca.issue(t, issued{}))
	k.look(time.Now(), true)
	if k.Stats().Unusable {
		t.Error("other files are in use, and count as unusable")
	}
}

func TestTLSExpiryIsTold(t *testing.T) {
	t.Parallel()
	ca, d := newTestCA(t, "a"), newTLSDir(t)
	const soon, over = "the TLS certificate expires soon", "the TLS certificate has expired"
	end := time.Now().Add(expirySoon + time.Hour).Truncate(time.Second) // Certificates know no fractions.
	k, log := newTestKeeper(t, newTLSConfig(t, d, ca.issue(t, issued{end: end})))
	if log.Has(soon) || log.Has(over) {
		t.Error("told too early")
	}
	for range 2 {
		k.look(end.Add(-expirySoon), true)
		k.look(end.Add(-time.Hour), true)
	}
	if countLines(log, soon) != 1 || !log.Has(soon, "days=14") || log.Has(over) {
		t.Errorf("not told once that the end is near:\n%s", log)
	}
	k.look(end.Add(time.Second), true)
	k.look(end.Add(time.Minute), true)
	if countLines(log, over) != 1 {
		t.Errorf("not told once that the end has come:\n%s", log)
	}
	d.writePair(t, "node", ca.issue(t, issued{end: time.Now().Add(time.Hour)}))
	k.look(time.Now(), true)
	if countLines(log, soon) != 2 || !log.Has(soon, "days=0") {
		t.Errorf("not told of the next certificate:\n%s", log)
	}
	if _, log = newTestKeeper(t, newTLSConfig(t, d, ca.issue(t, issued{end: time.Now().Add(-time.Hour)}))); !log.Has(over) {
		t.Errorf("not told at the start:\n%s", log)
	}
}

func TestPlainAdvertisedWithTLS(t *testing.T) {
	t.Parallel()
	k, log := newTestKeeper(t, newTLSConfig(t, newTLSDir(t), newTestCA(t, "a").issue(t, issued{})))
	k.checkAdvertised([]string{"https://a.example:4001", "http://b.example:4001"})
	const warning = "clients are told to use plain HTTP"
	if countLines(log, warning) != 1 || !log.Has(warning, "http://b.example:4001") {
		t.Errorf("log:\n%s", log)
	}
}

// servedCert is the certificate that a new client gets, in PEM.
func servedCert(t *testing.T, n *node, ca *testCA) []byte {
	t.Helper()
	conn, err := (&tls.Dialer{Config: newTLSClient(t, ca).conf}).DialContext(t.Context(), "tcp", n.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
}

// loadClient asks all the time, on one connection or each time on another.
type loadClient struct {
	*tlsClient
	done, dialed atomic.Int64
}

func newLoadClient(t *testing.T, ca *testCA, keepAlive bool) *loadClient {
	t.Helper()
	c := &loadClient{tlsClient: newTLSClient(t, ca)}
	c.Transport.(*http.Transport).DisableKeepAlives = !keepAlive
	return c
}

// run asks until stop is closed and returns the first failure.
func (c *loadClient) run(t *testing.T, url string, stop <-chan struct{}) error {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			c.dialed.Add(1)
		}
	}}
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := c.Do(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s, %w", resp.Status, err)
		}
		c.done.Add(1)
	}
}

// awaitRequests returns when each client has done a few more.
func awaitRequests(t *testing.T, clients []*loadClient) {
	t.Helper()
	for _, c := range clients {
		before := c.done.Load()
		lbtest.Eventually(t, 10*time.Second, "requests under load", func() bool { return c.done.Load() > before+5 })
	}
}

// Certificates change under load, and no request fails: neither on connections that stay nor on new ones.
func TestTLSChangesUnderLoad(t *testing.T) {
	t.Parallel()
	ca, d := newTestCA(t, "a"), newTLSDir(t)
	hup := make(chan os.Signal, 1)
	cfg := newTLSConfig(t, d, ca.issue(t, issued{}))
	cfg.reload = hup
	n, _ := runNode(t, nodeConfig{name: "dot", tls: cfg})
	clients := []*loadClient{newLoadClient(t, ca, true), newLoadClient(t, ca, true), newLoadClient(t, ca, false), newLoadClient(t, ca, false)}
	var group errgroup.Group
	stop := make(chan struct{})
	for _, c := range clients {
		group.Go(func() error { return c.run(t, n.URL()+"/v2/keys/", stop) })
	}
	const changes = 10
	for range changes {
		next := ca.issue(t, issued{})
		d.writePair(t, "node", next)
		hup <- os.Interrupt // Which one does not matter here.
		lbtest.Eventually(t, 10*time.Second, "the new certificate is served", func() bool { return bytes.Equal(servedCert(t, n, ca), next.cert) })
		awaitRequests(t, clients)
	}
	close(stop)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	for i, c := range clients {
		// A busy machine may cost a connection that stays: net/http leaves one when its own writer has not run for 50 ms.
		dialed, done := c.dialed.Load(), c.done.Load()
		if stays := i < 2; stays && dialed > changes/2 || !stays && dialed < done {
			t.Errorf("client %d: %d connections for %d requests", i, dialed, done)
		}
	}
}

// A signal has the files looked at in the same moment, and without one they are found at the next look.
func TestTLSFilesAreLookedAt(t *testing.T) {
	t.Parallel()
	ca, d := newTestCA(t, "a"), newTLSDir(t)
	cfg := newTLSConfig(t, d, ca.issue(t, issued{}))
	synctest.Test(t, func(t *testing.T) {
		hup := make(chan os.Signal)
		cfg.reload = hup
		k, _ := newTestKeeper(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go k.run(ctx)
		next := ca.issue(t, issued{})
		d.writePair(t, "node", next)
		hup <- os.Interrupt // Which one does not matter here.
		synctest.Wait()
		if !k.serves(next) {
			t.Error("a signal changes nothing")
		}
		next = ca.issue(t, issued{})
		d.writePair(t, "node", next)
		time.Sleep(tlsLookInterval)
		synctest.Wait()
		if !k.serves(next) {
			t.Error("new files are not found")
		}
	})
}

// A pipe that is closed dials no more, and one that nobody accepts from waits no longer than its caller.
func TestInnerPortCloses(t *testing.T) {
	t.Parallel()
	p := newInnerPort()
	p.Close()
	p.Close()
	if _, err := p.dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial: %v", err)
	}
	if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
}
