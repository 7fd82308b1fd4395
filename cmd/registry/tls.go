package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"rollcall/metrics"
)

const (
	// tlsLookInterval is how often the files are looked at: as the one for gossip keys.
	tlsLookInterval = 2 * time.Second
	// expirySoon is how long before its end a certificate is complained of: long enough for somebody to be back
	// from holidays, and shorter than the month that renewing programs leave themselves.
	expirySoon = 14 * 24 * time.Hour
)

// tlsConfig configures TLS on a port for clients: a node's, or lbsync's. The zero value is plain HTTP.
type tlsConfig struct {
	cert, key string           // paths of PEM files
	clientCA  string           // whose certificates clients need; "" asks for none
	inYAML    string           // the key that holds them in lbsync.yaml; "" for the flags of serve
	reload    <-chan os.Signal // each one has the files looked at; nil for never
}

func (c *tlsConfig) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.cert, "tls-cert", "", "PEM file with the node's certificate and its chain: clients then use https; reloaded when it changes and on SIGHUP (default none: plain HTTP)")
	flags.StringVar(&c.key, "tls-key", "", "PEM file with the key of --tls-cert; reloaded with it")
	flags.StringVar(&c.clientCA, "tls-client-ca", "", "PEM file with authorities: clients need a certificate of one of them, but for probes and metrics; reloaded when it changes and on SIGHUP (default none)")
}

// setting is how the user calls one of the files: --tls-client-ca, or listen_tls.client_ca.
func (c *tlsConfig) setting(name string) string {
	if c.inYAML != "" {
		return c.inYAML + "." + strings.ReplaceAll(name, "-", "_")
	}
	return "--tls-" + name
}

func (c *tlsConfig) isOn() bool { return c.cert != "" }

func (c *tlsConfig) validate() error {
	switch {
	case (c.cert == "") != (c.key == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case c.clientCA != "" && !c.isOn():
		return errors.New("--tls-client-ca: needs --tls-cert and --tls-key")
	}
	return nil
}

// scheme is that of the node's URLs.
func (c *tlsConfig) scheme() string {
	if c.isOn() {
		return "https://"
	}
	return "http://"
}

// A tlsKeeper keeps a port's TLS as the files say. A nil one is plain HTTP.
type tlsKeeper struct {
	cfg      tlsConfig
	log      *slog.Logger
	current  atomic.Pointer[tlsIdentity]
	failures atomic.Uint64
	unusable atomic.Bool // the files, as they were last looked at

	// The goroutine of run has these alone.
	suspect string // what the last look found wrong
	told    string // what was logged last of that
	warned  expiryStage
}

// newTLSKeeper reads the files for the first time. Whatever is wrong with them ends the start, except that a
// certificate may have expired: replication and lbsync need none.
func newTLSKeeper(cfg tlsConfig, log *slog.Logger) (*tlsKeeper, error) {
	if !cfg.isOn() {
		return nil, nil //nolint:nilnil // a nil *tlsKeeper is plain HTTP
	}
	k := &tlsKeeper{cfg: cfg, log: log}
	files, err := cfg.read()
	if err != nil {
		return nil, err
	}
	id, err := newTLSIdentity(cfg, files)
	if err != nil {
		return nil, err
	}
	k.current.Store(id)
	log.Info("clients use TLS", k.describe(id)...)
	k.checkExpiry(time.Now())
	return k, nil
}

// run looks at the files now and then, and at each signal, until ctx ends.
func (k *tlsKeeper) run(ctx context.Context) {
	if k == nil {
		return
	}
	tick := time.NewTicker(tlsLookInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look(time.Now(), true)
		case <-k.cfg.reload:
			k.look(time.Now(), false)
		}
	}
}

// look takes the files over when they have changed. What cannot be used leaves all as it was and is logged once; a
// patient look first waits for the next one, since the files of a pair are mostly replaced one after the other.
func (k *tlsKeeper) look(now time.Time, patient bool) {
	defer k.checkExpiry(now)
	files, err := k.cfg.read()
	if err == nil && files == k.current.Load().files {
		k.suspect, k.told = "", ""
		k.unusable.Store(false)
		return
	}
	var id *tlsIdentity
	if err == nil {
		id, err = k.successor(files, now)
	}
	if err != nil {
		k.complain(err, fmt.Sprintf("%v %v", err, files), patient)
		return
	}
	k.suspect, k.told, k.warned = "", "", expiryFar
	k.unusable.Store(false)
	k.current.Store(id)
	k.log.Info("TLS files changed", k.describe(id)...)
}

// successor is what takes over from what there is.
func (k *tlsKeeper) successor(files tlsFiles, now time.Time) (*tlsIdentity, error) {
	id, err := newTLSIdentity(k.cfg, files)
	if err == nil && now.After(id.leaf.NotAfter) {
		return nil, fmt.Errorf("%s %s: expired at %s", k.cfg.setting("cert"), k.cfg.cert, id.leaf.NotAfter.Format(time.RFC3339))
	}
	return id, err
}

// complain logs an error once. What names it and the files that have it.
func (k *tlsKeeper) complain(err error, what string, patient bool) {
	seen := what == k.suspect
	k.suspect = what
	if what == k.told || patient && !seen {
		return
	}
	k.told = what
	k.failures.Add(1)
	k.unusable.Store(true)
	k.log.Error("TLS files cannot be used, the former ones stay", "error", err)
}

func (k *tlsKeeper) describe(id *tlsIdentity) []any {
	return []any{
		"cert", k.cfg.cert, "names", id.names(), "not_after", id.leaf.NotAfter.UTC().Format(time.RFC3339),
		"client_ca", k.cfg.clientCA,
	}
}

// expiryStage is how near the end of a certificate is.
type expiryStage int

const (
	expiryFar expiryStage = iota
	expiryNear
	expiryPassed
)

func stageOf(notAfter, now time.Time) expiryStage {
	switch left := notAfter.Sub(now); {
	case left <= 0:
		return expiryPassed
	case left <= expirySoon:
		return expiryNear
	default:
		return expiryFar
	}
}

// checkExpiry warns once when the end is near and once when it has come.
func (k *tlsKeeper) checkExpiry(now time.Time) {
	end := k.current.Load().leaf.NotAfter
	stage := stageOf(end, now)
	if stage <= k.warned {
		return
	}
	k.warned = stage
	if stage == expiryPassed {
		k.log.Error("the TLS certificate has expired, clients refuse it", "cert", k.cfg.cert, "not_after", end.UTC().Format(time.RFC3339))
		return
	}
	k.log.Warn("the TLS certificate expires soon", "cert", k.cfg.cert, "not_after", end.UTC().Format(time.RFC3339), "days", int(end.Sub(now).Hours()/24))
}

// checkAdvertised warns of URLs that lead plain HTTP to a port with TLS.
func (k *tlsKeeper) checkAdvertised(urls []string) {
	if k == nil {
		return
	}
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil && u.Scheme == "http" {
			k.log.Warn("clients are told to use plain HTTP, and this node speaks TLS", "advertise", text)
		}
	}
}

// listen puts TLS on a listener of the server's.
func (k *tlsKeeper) listen(server *http.Server, l net.Listener) net.Listener {
	if k == nil {
		return l
	}
	k.rememberClients(server)
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return k.current.Load().conf, nil
		},
	})
}

// Stats is what the keeper can tell.
func (k *tlsKeeper) Stats() metrics.TLSStats {
	leaf := k.current.Load().leaf
	return metrics.TLSStats{NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Failures: k.failures.Load(), Unusable: k.unusable.Load()}
}

// tlsFiles is what the files hold.
type tlsFiles struct{ cert, key, clientCA string }

func (c *tlsConfig) read() (tlsFiles, error) {
	cert, err1 := os.ReadFile(c.cert)
	key, err2 := os.ReadFile(c.key)
	var ca []byte
	var err3 error
	if c.clientCA != "" {
		ca, err3 = os.ReadFile(c.clientCA)
	}
	err := cmp.Or(about(c.setting("cert"), err1), about(c.setting("key"), err2), about(c.setting("client-ca"), err3))
	return tlsFiles{string(cert), string(key), string(ca)}, err
}

// about says which setting an error is about.
func about(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, err)
}

// A tlsIdentity is what the files said at one time. It never changes.
type tlsIdentity struct {
	files     tlsFiles
	conf      *tls.Config
	leaf      *x509.Certificate
	clientCAs *x509.CertPool // nil: clients need no certificate
}

// newTLSIdentity makes one. The server speaks HTTP/1.1 alone, as without TLS: the limits on connections and watches are
// about connections, one lost packet must not hold up all watches of a client, and etcd's v2 clients know nothing else.
//
// Clients are asked for a certificate, and it is verified with the first request, see clientCerts: then they can be
// told what is wrong in an answer, and probes can go without.
func newTLSIdentity(cfg tlsConfig, files tlsFiles) (*tlsIdentity, error) {
	pair, err := tls.X509KeyPair([]byte(files.cert), []byte(files.key))
	if err != nil {
		return nil, fmt.Errorf("%s %s, %s %s: %w", cfg.setting("cert"), cfg.cert, cfg.setting("key"), cfg.key, err)
	}
	id := &tlsIdentity{files: files, leaf: pair.Leaf, conf: &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
	}}
	if cfg.clientCA == "" {
		return id, nil
	}
	id.clientCAs = x509.NewCertPool()
	if !id.clientCAs.AppendCertsFromPEM([]byte(files.clientCA)) {
		return nil, fmt.Errorf("%s %s: holds no certificate in PEM", cfg.setting("client-ca"), cfg.clientCA)
	}
	id.conf.ClientAuth, id.conf.ClientCAs = tls.RequestClientCert, id.clientCAs
	return id, nil
}

// names are what clients may call the node.
func (i *tlsIdentity) names() []string {
	names := append([]string(nil), i.leaf.DNSNames...)
	for _, ip := range i.leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
