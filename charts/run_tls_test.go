package charts_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tlsRelease is the set "tls" with one node that runs.
type tlsRelease struct {
	all     []object
	url     string
	secrets map[string]map[string][]byte // as cert-manager makes them
	clients string                       // the directory of what the pod of helm test has at /tls
}

const tlsService = "https://" + release + "-rollcall:4001"

func startTLSRelease(t *testing.T) tlsRelease {
	t.Helper()
	r := tlsRelease{all: objects(t, mustRender(t, "tls")), secrets: makeSecrets(t)}
	ports, keys := freePorts(t, 2), t.TempDir()
	write(t, filepath.Join(keys, "gossip.keys"), []byte("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"))
	for _, o := range r.all {
		if o.kind() == "StatefulSet" {
			startNode(t, r.all, "node-0", ports[0], ports[1], "", "=/tls/", "="+r.mount(t, o)+"/", "=/gossip/", "="+keys+"/", "[::]", "127.0.0.1")
		}
	}
	r.clients = r.mount(t, find(t, r.all, "Pod", release+"-rollcall-test"))
	r.url = "https://127.0.0.1:" + ports[0]
	eventually(t, "ready", func() error {
		code, err := r.status("/readyz")
		if err == nil && code != http.StatusOK {
			err = errors.New(http.StatusText(code))
		}
		return err
	})
	return r
}

// mount makes what a workload's pods have at /tls.
func (r tlsRelease) mount(t *testing.T, o object) string {
	t.Helper()
	dir := t.TempDir()
	file := func(secret, key, path string) {
		content, ok := r.secrets[secret][key]
		if !ok {
			t.Errorf("%v: the secret %q has no %q", o, secret, key)
		}
		write(t, filepath.Join(dir, path), content)
	}
	for _, v := range list(podOf(o), "spec", "volumes") {
		if v["name"] != "tls" {
			continue
		}
		whole := at[string](v, "secret", "secretName")
		for key := range r.secrets[whole] {
			file(whole, key, key)
		}
		for _, source := range list(v, "projected", "sources") {
			for _, item := range list(source, "secret", "items") {
				file(at[string](source, "secret", "name"), at[string](item, "key"), at[string](item, "path"))
			}
		}
	}
	return dir
}

// status asks as a kubelet does, which has no certificate and verifies none.
func (r tlsRelease) status(path string) (int, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Get(r.url + path)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// files are the flags of commands that ask the node.
func (r tlsRelease) files() []string {
	return []string{"--cacert=" + r.clients + "/ca.crt", "--cert=" + r.clients + "/tls.crt", "--key=" + r.clients + "/tls.key"}
}

// With TLS and certificates of clients the probes get their answers without one, and nothing else does.
func TestTLSRuns(t *testing.T) {
	r := startTLSRelease(t)
	for _, o := range r.all {
		if o.kind() != "StatefulSet" {
			continue
		}
		c := list(o, "spec", "template", "spec", "containers")[0]
		for _, kind := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			if scheme := at[string](c, kind, "httpGet", "scheme"); scheme != "HTTPS" {
				t.Errorf("%s asks by %s", kind, scheme)
			}
			if code, err := r.status(at[string](c, kind, "httpGet", "path")); code != http.StatusOK {
				t.Errorf("%s: %d, %v", kind, code, err)
			}
		}
	}
	if code, err := r.status("/v2/keys/"); code != http.StatusUnauthorized {
		t.Errorf("keys without a certificate: %d, %v", code, err)
	}
}

// What "helm test" runs shows a certificate, and does not pass without it.
func TestHelmTestRunsWithTLS(t *testing.T) {
	r := startTLSRelease(t)
	runHelmTest(t, r.all, tlsService, r.url, "=/tls/", "="+r.clients+"/")
	pod := find(t, r.all, "Pod", release+"-rollcall-test")
	var args []string
	for _, a := range replaced(words(list(pod, "spec", "initContainers")[0], "args"), tlsService, r.url, "=/tls/", "="+r.clients+"/") {
		if !strings.HasPrefix(a, "--cert=") && !strings.HasPrefix(a, "--key=") {
			args = append(args, a)
		}
	}
	if out, err := runRegistry(t, args...); err == nil || !strings.Contains(out, "a client certificate is wanted") {
		t.Errorf("without a certificate: %v: %s", err, out)
	}
}

func TestBalancerRunsWithTLS(t *testing.T) {
	r := startTLSRelease(t)
	files := r.mount(t, find(t, r.all, "Deployment", release+"-rollcall-balancer"))
	runBalancer(t, r.all, tlsService, r.url, r.files(), "/tls/", files+"/")
}

// A backup is a file in the volume that "registry restore" takes, and of these there are as many as the values say.
func TestBackupRuns(t *testing.T) {
	r := startTLSRelease(t)
	volume := t.TempDir()
	if out, err := runRegistry(t, append(r.files(), "set", "/creds/mq", "secret", "--endpoints="+r.url)...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"20200101T000000Z", "20200102T000000Z", "20200103T000000Z", "20200104T000000Z"} {
		write(t, filepath.Join(volume, "rollcall-"+name+".backup"), nil)
	}
	files := r.mount(t, find(t, r.all, "CronJob", release+"-rollcall-backup"))
	runBackup(t, r.all, tlsService, r.url, volume, "=/tls/", "="+files+"/")
	wantBackups(t, volume, 3)
}

// So it is without TLS, in a claim that was there.
func TestPlainBackupRuns(t *testing.T) {
	volume, url := t.TempDir(), startOneNode(t, "backup")
	if out, err := runRegistry(t, "set", "/creds/mq", "secret", "--endpoints="+url); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	runBackup(t, objects(t, mustRender(t, "backup")), "http://"+release+"-rollcall:4001", url, volume)
	wantBackups(t, volume, 1)
}

// runBackup runs what the CronJob runs.
func runBackup(t *testing.T, all []object, service, url, volume string, more ...string) {
	t.Helper()
	pod := podOf(find(t, all, "CronJob", release+"-rollcall-backup"))
	args := replaced(words(list(pod, "spec", "containers")[0], "args"), append(more, "/backups", volume, service, url)...)
	if out, err := runRegistry(t, args...); err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
}

// wantBackups wants so many files, of which the latest is whole.
func wantBackups(t *testing.T, volume string, n int) {
	t.Helper()
	files, err := os.ReadDir(volume)
	if err != nil || len(files) != n {
		t.Fatalf("%v, %v; want %d", files, err, n)
	}
	latest := filepath.Join(volume, files[n-1].Name())
	if out, err := runRegistry(t, "restore", "--dry-run", latest); err != nil || !strings.Contains(out, "is whole") {
		t.Errorf("%v: %s", err, out)
	}
}

// makeSecrets makes an authority and what it signs: the secrets of the nodes and of their clients.
func makeSecrets(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caKey := newKey(t)
	root := sign(t, ca, ca, caKey, caKey)
	secrets := make(map[string]map[string][]byte)
	for name, template := range map[string]*x509.Certificate{
		"tls":    {IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		"client": {Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	} {
		key := newKey(t)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		secrets[release+"-rollcall-"+name] = map[string][]byte{
			"tls.crt": sign(t, template, ca, key, caKey),
			"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
			"ca.crt":  root,
		}
	}
	return secrets
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate for a key, signed by an authority.
func sign(t *testing.T, template, ca *x509.Certificate, key, caKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	cert, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}
