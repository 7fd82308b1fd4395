package lbsync

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// issueExample is the file of the feature's description, to the letter.
const issueExample = `state_dir: /var/lib/rollcall/lbsync
listen: 127.0.0.1:4002
services:
  frontends: {prefix: /frontends, port: 8080, max_loss: 15%, loss_window: 30s, max_hold: 10m, on_empty: keep}
haproxy:
  - config: /etc/haproxy/haproxy.cfg
    services: [frontends]
    bind: ":80"
    runtime_socket: /run/haproxy/admin.sock
    master_socket: /run/haproxy-master.sock
    check: [haproxy, -c, -f, "{file}"]
`

func TestIssueExample(t *testing.T) {
	got, err := ParseConfig("f.yaml", []byte(issueExample), DefaultEndpoints("http://127.0.0.1:4001"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Endpoints: []string{"http://127.0.0.1:4001"},
		StateDir:  "/var/lib/rollcall/lbsync",
		Listen:    "127.0.0.1:4002",
		Services: map[string]Service{"frontends": {
			Prefix: "/frontends", Port: 8080, MaxLoss: new(Percent(0.15)), LossWindow: Duration(30 * time.Second),
			MaxHold: new(Duration(10 * time.Minute)), OnEmpty: OnEmptyKeep,
		}},
		HAProxy: []HAProxy{{
			Config: "/etc/haproxy/haproxy.cfg", Services: []string{"frontends"}, Bind: ":80",
			RuntimeSocket: "/run/haproxy/admin.sock", MasterSocket: "/run/haproxy-master.sock",
			Check: Command{"haproxy", "-c", "-f", "{file}"},
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	_, err = ParseConfig("f.yaml", []byte(issueExample))
	if err == nil || err.Error() != "f.yaml:1:1: endpoints needs at least one URL of a registry node" {
		t.Errorf("without endpoints: %v", err)
	}
	got, err = ParseConfig("f.yaml", []byte("endpoints: [http://10.0.0.1:4001]\n"+issueExample), DefaultEndpoints("http://127.0.0.1:4001"))
	if err != nil || !cmp.Equal(got.Endpoints, []string{"http://10.0.0.1:4001"}) {
		t.Errorf("the file's endpoints do not win: %v, %v", got, err)
	}
}

// full has every key. Lines and columns of the tests below are those of this text.
const full = `endpoints: [http://127.0.0.1:4001]
name: lb-1
listen: 127.0.0.1:4002
state_dir: /var/lib/rollcall/lbsync
report: /_lbsync
timing:
  quiet: 100ms
  max_delay: 300ms
  relist: 1m
  drift: 10s
services:
  web-1:
    prefix: /web
    port: 8080
    host_names: true
    max_loss: 15%
    loss_window: 30s
    max_hold: 0
    probe: tcp
    min_servers: 1
    on_empty: fallback
    fallback: [10.0.0.1, "[2001:db8::1]:80", '{"addr":"10.0.0.2"}']
    bad_grace: 1m
    damping: false
  api: {prefix: /api}
haproxy:
  - config: /etc/haproxy/haproxy.cfg
    bind: ":80"
    template: /etc/rollcall/haproxy.cfg.tmpl
    services: [web-1, api]
    runtime_socket: /run/haproxy/admin.sock
    master_socket: /run/haproxy/master.sock
    zone: eu-1a
    reloads:
      min_gap: 2s
      per_minute: 20
      jitter: 0s
    check: [haproxy, -c, -f, "{file}"]
    reload: [systemctl, reload, haproxy]
nginx:
  - config: /etc/nginx/conf.d/web.conf
    template: /etc/rollcall/nginx.conf.tmpl
    services: [web-1]
    verify: 127.0.0.1:8999
    zone: eu-1a
    reloads: {min_gap: 1s, per_minute: 30, jitter: 100ms}
    check: [nginx, -t]
    reload: [nginx, -s, reload]
tls: {cacert: ca.pem, cert: lb.pem, key: lb.key}
listen_tls: {cert: lb.pem, key: lb.key, client_ca: ca.pem}
`

func TestFullConfig(t *testing.T) {
	cfg, err := ParseConfig("f.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	delete(cfg.Services, "api")
	for _, path := range emptyFields(reflect.ValueOf(*cfg), "") {
		t.Errorf("%s is not set", path)
	}
}

// emptyFields lists the fields that have no value.
func emptyFields(v reflect.Value, path string) []string {
	switch {
	case v.Kind() == reflect.Struct:
		var out []string
		for i := range v.NumField() {
			out = append(out, emptyFields(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
		return out
	case v.IsZero():
		return []string{path}
	case v.Kind() == reflect.Map:
		return emptyFields(v.MapIndex(v.MapKeys()[0]), path)
	case v.Kind() == reflect.Slice:
		return emptyFields(v.Index(0), path)
	}
	return nil
}

var keyFaults = []configFault{
	{full, "", "cacert: ca.pem", `cacert: ""`, "f.yaml:49:15: cacert must be the path of a file"},
	{full, "", ", key: lb.key", "", "f.yaml:49:7: cert and key go together"},
	{full, "", "cert: lb.pem, ", "", "f.yaml:49:7: cert and key go together"},
	{full, "", "cacert: ca.pem", "ca: ca.pem", `f.yaml:49:7: unknown field "ca"`},
	{full, "", "name: lb-1", "name: lb 1", "f.yaml:2:7: name: only"},
	{full, "", "name: lb-1", "name: _lb", "f.yaml:2:7: name: only"},
	{full, "", "name: lb-1", "name: ..", "f.yaml:2:7: name: only"},
	{full, "", "state_dir: /var/lib/rollcall/lbsync", `state_dir: ""`, "f.yaml:4:12: state_dir must be"},
	{full, "", "state_dir: /var/lib/rollcall/lbsync", `state_dir: "a\0b"`, "f.yaml:4:12: state_dir must be"},
	{full, "", "report: /_lbsync", "report: lbsync", "f.yaml:5:9: report must be"},
	{full, "", "report: /_lbsync", "report: /", "f.yaml:5:9: report must be"},
	{full, "", "report: /_lbsync", "report: /web/lb", `f.yaml:5:9: report /web/lb and the prefix /web of service "web-1" overlap`},
	{full, "", "prefix: /api", "prefix: /_lbsync/api/", `f.yaml:5:9: report /_lbsync and the prefix /_lbsync/api/ of service "api" overlap`},
	{full, "", "quiet: 100ms", "quiet: 100", "f.yaml:7:10: quiet must be a duration"},
	{full, "", "quiet: 100ms", "quiet: 0s", "f.yaml:7:10: quiet must be more than 0"},
	{full, "", "quiet: 100ms", "quiet: 1s", "f.yaml:8:14: max_delay must not be shorter than quiet"},
	{full, "", "max_delay: 300ms", "max_delay: soon", "f.yaml:8:14: max_delay must be a duration"},
	{full, "", "relist: 1m", "relist: -1m", "f.yaml:9:11: relist must be a duration"},
	{full, "", "drift: 10s", "drift: [10s]", "f.yaml:10:10: drift must be a duration"},
	{full, "", "port: 8080", "port: 0", "f.yaml:14:11: port must be"},
	{full, "", "host_names: true", "host_names: maybe", "f.yaml:15:17: cannot unmarshal string"},
	{full, "", "max_loss: 15%", "max_loss: 15", "f.yaml:16:15: max_loss must be a share"},
	{full, "", "max_loss: 15%", "max_loss: 101%", "f.yaml:16:15: max_loss must be a share"},
	{full, "", "max_loss: 15%", "max_loss: NaN%", "f.yaml:16:15: max_loss must be a share"},
	{full, "", "max_loss: 15%", "max_loss: -1%", "f.yaml:16:15: max_loss must be a share"},
	{full, "", "loss_window: 30s", "loss_window: 0", "f.yaml:17:18: loss_window must be more than 0"},
	{full, "", "loss_window: 30s", "loss_window: 30 s", "f.yaml:17:18: loss_window must be a duration"},
	{full, "", "max_hold: 0", "max_hold: -1s", "f.yaml:18:15: max_hold must be a duration"},
	{full, "", "probe: tcp", "probe: http", "f.yaml:19:12: probe must be tcp or none"},
	{full, "", "min_servers: 1", "min_servers: -1", "f.yaml:20:18: min_servers must be a number, 0 or more"},
	{full, "", "min_servers: 1", `min_servers: "1"`, "f.yaml:20:18: min_servers must be a number"},
	{full, "", "min_servers: 1", "min_servers: 1.5", "f.yaml:20:18: min_servers must be a number"},
	{full, "", "on_empty: fallback", "on_empty: drop", "f.yaml:21:15: on_empty must be keep, fallback or empty"},
	{full, "", "on_empty: fallback", "on_empty: keep", "f.yaml:22:15: fallback has no use"},
	{full, "", "fallback: [10", "# fallback: [10", "f.yaml:13:5: on_empty: fallback needs"},
	{full, "", "[10.0.0.1,", "[10.0.0.256,", "f.yaml:22:16: fallback server: entry rejected: bad_syntax"},
	{full, "", "[10.0.0.1,", "[backup.example,", "f.yaml:22:16: fallback server must be an address"},
	{full, "", "[10.0.0.1,", "['2001:db8::1'," + ` "[2001:db8::1]:8080",`, "f.yaml:22:31: fallback server [2001:db8::1]:8080 comes twice"},
	{full, "", "port: 8080", "# no port", "f.yaml:22:16: fallback server: entry rejected: no_port"},
	{full, "", "bad_grace: 1m", "bad_grace: 1 min", "f.yaml:23:16: bad_grace must be a duration"},
	{full, "", "/run/haproxy/admin.sock", "run/admin.sock", "f.yaml:31:21: runtime_socket must be an absolute path"},
	{full, "", "/run/haproxy/admin.sock", `"/run/admin.sock level user"`, "f.yaml:31:21: runtime_socket must be an absolute path"},
	{full, "", "/run/haproxy/admin.sock", "/run/$X", "f.yaml:31:21: runtime_socket must be an absolute path"},
	{full, "", "/run/haproxy/admin.sock", "ipv4@0.0.0.0:80", "f.yaml:31:21: runtime_socket must be an absolute path"},
	{full, "", "/run/haproxy/admin.sock", "/run/" + strings.Repeat("a", maxSocketLen-4), "f.yaml:31:21: runtime_socket has 96 bytes"},
	{full, "", "/run/haproxy/master.sock", "/run/haproxy/../haproxy/admin.sock", "f.yaml:32:20: /run/haproxy/admin.sock is used twice"},
	{full, "", "/run/haproxy/master.sock", "abns@x", "f.yaml:32:20: master_socket must be"},
	{full, "", "zone: eu-1a", "zone: eu 1a", "f.yaml:33:11: zone: only"},
	{full, "", "min_gap: 2s", "min_gap: 2x", "f.yaml:35:16: min_gap must be a duration"},
	{full, "", "per_minute: 20", "per_minute: 0", "f.yaml:36:19: per_minute must be a number, 1 or more"},
	{full, "", "jitter: 0s", "jitter: 0.5", "f.yaml:37:15: jitter must be a duration"},
	{full, "", "reload: [systemctl, reload, haproxy]", "reload: []", "f.yaml:39:13: reload must be a command"},
	{full, "", "127.0.0.1:8999", "localhost:8999", "f.yaml:44:13: verify must be IP:PORT"},
	{full, "", "127.0.0.1:8999", "0.0.0.0:8999", "f.yaml:44:13: verify must be IP:PORT"},
	{full, "", "127.0.0.1:8999", "127.0.0.1", "f.yaml:44:13: verify must be IP:PORT"},
	{full, "", "{min_gap: 1s", "{gap: 1s", `f.yaml:46:15: unknown field "gap"`},
}

func TestFaultsOfTheKeys(t *testing.T) {
	for _, f := range keyFaults {
		t.Run(f.new, f.check)
	}
}

func TestTwoTargetsAtOnePlace(t *testing.T) {
	_, targets, _ := strings.Cut(full, "haproxy:\n")
	targets, last, _ := strings.Cut(targets, "tls:")
	haproxy, nginx, _ := strings.Cut(targets, "nginx:\n")
	second := strings.ReplaceAll(haproxy, ".cfg\n", "-2.cfg\n")
	text := strings.Replace(full, "nginx:\n", second+"nginx:\n", 1)
	text = strings.TrimSuffix(text, "tls:"+last) + strings.ReplaceAll(nginx, "web.conf", "web-2.conf") + "tls:" + last
	_, err := ParseConfig("f.yaml", []byte(text))
	want := `f.yaml:44:21: /run/haproxy/admin.sock is used twice
f.yaml:45:20: /run/haproxy/master.sock is used twice
f.yaml:65:13: 127.0.0.1:8999 is used twice`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// What is wrong in many places is reported in one go.
func TestFaultsOfTheKeysTogether(t *testing.T) {
	text := strings.NewReplacer("15%", "15", "30s", "30", "100ms", "soon", "eu-1a", "/", "/_lbsync", "x").Replace(full)
	_, err := ParseConfig("f.yaml", []byte(text))
	if n := strings.Count(err.Error(), "f.yaml:"); n != 7 {
		t.Errorf("%d faults, want 7:\n%v", n, err)
	}
}

func TestReloadMayBeMissing(t *testing.T) {
	reload := "    reload: [systemctl, reload, haproxy]\n"
	if _, err := ParseConfig("f.yaml", []byte(strings.Replace(full, reload, "", 1))); err != nil {
		t.Error(err)
	}
	master := "    master_socket: /run/haproxy/master.sock\n"
	_, err := ParseConfig("f.yaml", []byte(strings.NewReplacer(reload, "", master, "").Replace(full)))
	if err == nil || !strings.Contains(err.Error(), "reload must be a command") {
		t.Error(err)
	}
}

func TestPace(t *testing.T) {
	defaults := Pace{MinGap: time.Second, PerMinute: 7, Jitter: time.Millisecond}
	for name, tt := range map[string]struct {
		in   PaceConfig
		want Pace
	}{
		"nothing": {PaceConfig{}, defaults},
		"none":    {PaceConfig{MinGap: new(Duration(0)), Jitter: new(Duration(0))}, Pace{MinGap: -1, PerMinute: 7, Jitter: -1}},
		"all": {
			PaceConfig{MinGap: new(Duration(2)), PerMinute: 3, Jitter: new(Duration(4))},
			Pace{MinGap: 2, PerMinute: 3, Jitter: 4},
		},
	} {
		if got := tt.in.Pace(defaults); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
