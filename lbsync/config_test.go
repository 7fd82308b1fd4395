package lbsync

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// valid is a configuration in the form of the documentation; tests change one thing in it.
const valid = `endpoints: [http://127.0.0.1:4001]
services:
  frontends: {prefix: /frontends, port: 8080}
` + targets

const targets = `haproxy:
  - config: /etc/haproxy/haproxy.cfg
    bind: ":80"
    services: [frontends]
    check: [haproxy, -c, -f, "{file}"]
    reload: [systemctl, reload, haproxy]
nginx:
  - config: conf.d/frontends.conf
    services: [frontends]
    check: [nginx, -t]
    reload: [nginx, -s, reload]
`

func TestLoadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lbsync.yaml")
	if err := os.WriteFile(path, []byte(valid), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Endpoints: []string{"http://127.0.0.1:4001"},
		Services:  map[string]Service{"frontends": {Prefix: "/frontends", Port: 8080}},
		HAProxy: []HAProxy{{
			Config: "/etc/haproxy/haproxy.cfg", Bind: ":80", Services: []string{"frontends"},
			Check: Command{"haproxy", "-c", "-f", "{file}"}, Reload: Command{"systemctl", "reload", "haproxy"},
		}},
		Nginx: []Nginx{{
			Config: "conf.d/frontends.conf", Services: []string{"frontends"},
			Check: Command{"nginx", "-t"}, Reload: Command{"nginx", "-s", "reload"},
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if _, err := LoadConfig(path + ".none"); err == nil {
		t.Error("a missing file is accepted")
	}
}

func TestExampleIsValid(t *testing.T) {
	if _, err := LoadConfig(filepath.Join("..", "docs", "examples", "lbsync.yaml")); err != nil {
		t.Error(err)
	}
}

// A configFault is one change of a right configuration and the error that it must make.
type configFault struct {
	base, name, old, new string
	want                 string // How the error begins.
}

func (f configFault) text() string { return strings.Replace(f.base, f.old, f.new, 1) }

func (f configFault) check(t *testing.T) {
	text := f.text()
	if text == f.base {
		t.Fatal("the test changes nothing")
	}
	_, err := ParseConfig("f.yaml", []byte(text))
	if err == nil || !strings.HasPrefix(err.Error(), f.want) {
		t.Errorf("got %v, want %s", err, f.want)
	}
}

var configFaults = []configFault{
	{valid, "unknown key", "    bind:", "    bnd:", `f.yaml:6:5: unknown field "bnd"`},
	{valid, "unknown key at the top", "nginx:", "ngnix:", `f.yaml:10:1: unknown field "ngnix"`},
	{valid, "repeated key", "services:\n  front", "endpoints: []\nservices:\n  front", `f.yaml:2:1: mapping key "endpoints" already defined at [1:1]`},
	{valid, "repeated service", "haproxy:\n", "  frontends: {prefix: /x}\nhaproxy:\n", `f.yaml:4:3: mapping key "frontends" already defined at [3:3]`},
	{valid, "text for a list", "[nginx, -t]", "nginx -t", "f.yaml:13:12: string was used where sequence is expected"},
	{valid, "syntax", "[http://127.0.0.1:4001]", "[http://127.0.0.1:4001", "f.yaml:2:1: "},
	{valid, "text for a port", "port: 8080", "port: web", "f.yaml:3:41: cannot unmarshal string"},
	{valid, "port too large", "port: 8080", "port: 65536", "f.yaml:3:41: cannot unmarshal 65536"},
	{valid, "port 0", "port: 8080", "port: 0", "f.yaml:3:41: port must be a number from 1 to 65535"},
	{valid, "port in quotes", "port: 8080", `port: "8080"`, "f.yaml:3:41: port must be"},
	{valid, "port with a fraction", "port: 8080", "port: 80.5", "f.yaml:3:41: port must be"},
	{valid, "no endpoints", "[http://127.0.0.1:4001]", "[]", "f.yaml:1:12: endpoints needs at least one"},
	{valid, "endpoint without a scheme", "http://127.0.0.1:4001", "127.0.0.1:4001", "f.yaml:1:13: endpoint must be a URL"},
	{valid, "endpoint with a password", "http://127", "http://a:b@127", "f.yaml:1:13: endpoint must be a URL"},
	{valid, "endpoint with a path", "4001]", "4001/v2/keys]", "f.yaml:1:13: endpoint must be a URL"},
	{valid, "listen", "services:\n  f", "listen: here\nservices:\n  f", "f.yaml:2:9: listen must be HOST:PORT"},
	{valid, "listen_tls without a key", "services:\n  f", "listen: :1\nlisten_tls: {cert: a}\nservices:\n  f", "f.yaml:3:14: cert and key go together"},
	{valid, "listen_tls without a certificate", "services:\n  f", "listen: :1\nlisten_tls: {client_ca: a}\nservices:\n  f", "f.yaml:3:25: client_ca needs cert and key"},
	{valid, "listen_tls without listen", "services:\n  f", "listen_tls: {cert: a, key: b}\nservices:\n  f", "f.yaml:2:14: listen_tls has no effect without listen"},
	{valid, "listen_tls with an empty path", "services:\n  f", "listen: :1\nlisten_tls: {cert: '', key: b}\nservices:\n  f", "f.yaml:3:20: cert must be the path of a file"},
	{valid, "service name", "  frontends:", "  Frontends:", `f.yaml:3:3: service name "Frontends"`},
	{valid, "service name that ends a line", "  frontends:", `  "a\nb":`, `f.yaml:3:3: service name "a\nb"`},
	{valid, "prefix", "prefix: /frontends", "prefix: frontends", "f.yaml:3:23: prefix must be"},
	{valid, "prefix that climbs", "prefix: /frontends", "prefix: /a/../b", "f.yaml:3:23: prefix must be"},
	{valid, "prefix missing", "{prefix: /frontends, port: 8080}", "{port: 8080}", "f.yaml:3:15: prefix must be"},
	{valid, "unknown service", "    services: [frontends]\n    check: [nginx", "    services: [frontends, api]\n    check: [nginx", `f.yaml:12:27: unknown service "api"`},
	{valid, "service twice", "[frontends]\n    check: [hap", "[frontends, frontends]\n    check: [hap", `f.yaml:7:27: service "frontends" comes twice`},
	{valid, "no service", "[frontends]\n    check: [hap", "[]\n    check: [hap", "f.yaml:7:15: services needs at least one"},
	{valid, "bind", `":80"`, `":80000"`, "f.yaml:6:11: bind must be"},
	{valid, "bind that injects", `":80"`, `":80\n  x"`, "f.yaml:6:11: bind must be"},
	{valid, "bind missing", "    bind: \":80\"\n", "", "f.yaml:5:5: bind must be"},
	{valid, "check without a file", `[haproxy, -c, -f, "{file}"]`, "[haproxy, -c]", `f.yaml:8:12: check must contain "{file}"`},
	{valid, "check without nginx", "[nginx, -t]", "[/bin/true]", `f.yaml:13:12: check must call nginx`},
	{valid, "empty check", "[nginx, -t]", "[]", "f.yaml:13:12: check must be a command"},
	{valid, "empty argument", "[nginx, -t]", `[nginx, ""]`, "f.yaml:13:12: check must be a command"},
	{valid, "empty reload", "[nginx, -s, reload]", "[]", "f.yaml:14:13: reload must be a command"},
	{valid, "reload missing", "    reload: [nginx, -s, reload]\n", "", "f.yaml:11:5: reload must be a command"},
	{valid, "config missing", "config: conf.d/frontends.conf\n    services", "services", "f.yaml:11:5: config must be the path"},
	{valid, "one file for two", "conf.d/frontends.conf", "/etc/haproxy/../haproxy/haproxy.cfg", "f.yaml:11:13: two targets write"},
	{valid, "no targets", targets, "", "f.yaml:1:1: neither haproxy nor nginx"},
	{valid, "two documents", "nginx:", "---\nnginx:", "f.yaml: more than one YAML document"},
}

func TestConfigErrorsHaveAPlace(t *testing.T) {
	for _, f := range configFaults {
		t.Run(f.name, f.check)
	}
}

func TestAllFaultsAreReported(t *testing.T) {
	_, err := ParseConfig("f.yaml", nil)
	if n := strings.Count(err.Error(), "f.yaml: "); n != 3 {
		t.Errorf("%d faults: %v", n, err)
	}
}

func TestParseBind(t *testing.T) {
	for in, want := range map[string]string{
		":80": ":80", "*:80": ":80", "0.0.0.0:80": "0.0.0.0:80", "127.0.0.1:8080": "127.0.0.1:8080", "[::]:80": "[::]:80", "[::1]:65535": "[::1]:65535",
		"": "", ":": "", ":0": "", "80": "", ":65536": "", ":080": "", "localhost:80": "", "::1": "", "127.0.0.1": "", ":80 ssl": "", "*": "", "unix@/x": "",
		"127.0.0.1:80,:81": "", "[fe80::1%lo]:80": "", "${X}:80": "", ":80-90": "", "**:80": "",
	} {
		got, err := ParseBind(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}
