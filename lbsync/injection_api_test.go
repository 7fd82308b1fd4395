package lbsync_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// hostileValues are what HAProxy or nginx would take, or a shell, a resolver or a checker would act on, with the reason why
// lbsync does not.
var hostileValues = map[lbsync.Reason][]string{
	lbsync.ReasonSyntax: {
		"10.66.0.1:80\nserver evil 10.66.0.2:80", "10.66.0.1 # comment", "10.66.0.1\tcheck", "10.66.0.1\rserver evil",
		"10.66.0.1:80;}\nserver{listen 127.0.0.1:18199;root /etc;}\nupstream x{server 10.66.0.2:80;",
		"10.66.0.1;\nerror_log /tmp/evil.log;", "load_module /tmp/evil.so", "ssl_engine /tmp/evil.so;", "lua-load /tmp/evil.lua",
		"10.66.0.1 ; disable frontend rollcall", "10.66.0.1; shutdown sessions server frontends/evil", "10.66.0.1 <<\n%evil",
		"*", "*:80", "unix@/tmp/evil", "/tmp/evil", "abns@evil", "ipv4@10.66.0.1", "ipv6@::1", "fd@3", "sockpair@3", "udp@10.66.0.1",
		"${HOME}:80", "$HOME", "$host", "\"${HOME}\"", "`id`", "$(id)", "check", "FRONTEND", "BACKEND", "localhost",
		"10.66", "10.66.1", "172097537", "0x0a420001", "012.102.0.1", "10.66.0.1/32", "[2001:db8:66::1]", "[10.66.0.1]:80", "10.66.0.1\x00", "\xff\xfe10.66.0.1",
		"evil\u2028server", "\uff11\uff10.66.0.1", strings.Repeat("6", 4096),
	},
	lbsync.ReasonPort: {
		"10.66.0.1:0", "10.66.0.1:70000", "10.66.0.1:+80", "10.66.0.1:-80", "10.66.0.1:080", "10.66.0.1:80 ; disable frontend rollcall",
		"10.66.0.1:80 check port 1", "10.66.0.1:80 weight 1\n    http-request deny", "10.66.0.1:80 # evil", "10.66.0.1:80\t", "10.66.0.1:80\r",
		"10.66.0.1:${PORT}", "unix:/tmp/evil", "10.66.0.1:80%0aevil", "[2001:db8:66::1]:80 resolve", `{"addr":"10.66.0.1","port":"80;evil"}`,
		`{"addr":"10.66.0.1","port":70000}`, `{"addr":"10.66.0.1:80","port":81}`,
	},
	lbsync.ReasonAddress: {
		"0.0.0.0", "0.0.0.0:80", "[::]:80", "::", "255.255.255.255:80", "224.0.0.1", "[ff02::1]:80", "fe80::1%eth0", "[fe80::1%eth0]:80",
		"169.254.169.254:80", "::ffff:169.254.169.254", `{"addr":"[fe80::1%evil]:80"}`,
	},
	lbsync.ReasonField: {
		`{"addr":"10.66.0.1","weight":257}`, `{"addr":"10.66.0.1","weight":"1 backup"}`, `{"addr":"10.66.0.1","weight":-1}`,
		`{"addr":"10.66.0.1","maxconn":"1 evil"}`, `{"addr":"10.66.0.1","maxconn":1000001}`, `{"addr":"10.66.0.1","slowstart":"1s evil"}`,
		`{"addr":"10.66.0.1","slowstart":0.5}`, `{"addr":"10.66.0.1","state":"maint"}`, `{"addr":"10.66.0.1","state":"up\n evil"}`,
		`{"addr":"10.66.0.1","backup":"true evil"}`, `{"addr":"10.66.0.1","zone":"a;evil"}`, `{"addr":"10.66.0.1","instance_id":"${HOME}"}`,
	},
	lbsync.ReasonJSON: {
		"{\"addr\":\"10.66.0.1\n evil\"}", `{"addr":"10.66.0.1"}{"evil":1}`, `{"addr":"10.66.0.1","addr":"10.66.0.2"}`, "{evil}", "{",
	},
	lbsync.ReasonHostName: {"evil.example", "evil.example:80", `{"addr":"evil.example"}`},
	lbsync.ReasonTooLong:  {strings.Repeat("6", 4097), strings.Repeat("evil", 16<<10)},
	lbsync.ReasonEmpty:    {""},
}

// hostileKeys are keys as they stand in a URL's path. None of them is served, whatever its value is; those that the
// registry itself refuses, or that lead elsewhere, are not even seen.
var hostileKeys = []string{
	"fe1%0Ainclude%20/etc/evil", "fe1%3B", "fe1;", "fe1%20evil", "%7Bevil%7D", "%24%7BHOME%7D", "evil%23", "evil%0D", "evil%09", "evil%22", "evil'",
	"%D1%81%D0%B5", "%C3%A9vil", "%FF%FEevil", "evil%E2%80%A8", "evil%5C", "evil%2500", "evil%250A", "evil%60id%60", "%3Cevil%3E", "evil%7C", "*evil",
	strings.Repeat("e", 1025), strings.Repeat("evil", 1<<10), strings.Repeat("evil", 16<<10), "evil%00", "%2e%2e/evil", "..%2Fevil", "a/../../evil", "..",
}

// All of these and all of the package's own lists at once, written by HTTP into a real registry: each entry is rejected for its own
// reason, the good ones come, change and go meanwhile, and neither a command nor a file ever holds anything but them.
func TestInjectionByHTTP(t *testing.T) {
	s := newSite(t)
	s.service.Port = 8080
	s.addNginx(t)
	s.register(t, "one", "two")
	s.start(t)
	s.both(t, "one", "two")
	want := s.attack(t)
	s.quarantines(t, want)
	s.changeGoodOnes(t)
	s.quarantines(t, want)
	s.inSync(t)
	s.checkCommands(t)
	s.checkFiles(t, "kept-h", "h/haproxy.cfg", haproxyServer)
	s.checkFiles(t, "kept-n", "n/conf.d/frontends.conf", nginxServer)
	for _, target := range s.syncer.Stats().Targets {
		for step, n := range target.Failures {
			if n > 0 {
				t.Errorf("%s: %d failures to %s", target.Kind, n, step)
			}
		}
	}
}

// Without a default port an address alone is no server: HAProxy would go to the port that the client asked for.
func TestInjectionByHTTPWithoutAPort(t *testing.T) {
	s := newSite(t)
	s.register(t, "one")
	want := map[string]string{}
	for i, value := range []string{"10.66.0.1", "2001:db8:66::1", `{"addr":"10.66.0.1"}`, `{"addr":"10.66.0.1","weight":1}`} {
		s.hostile(t, want, fmt.Sprintf("v%d", i), value, lbsync.ReasonNoPort)
	}
	s.start(t)
	s.serves(t, s.haproxyPort, soon, "one")
	s.quarantines(t, want)
	s.register(t, "two")
	s.serves(t, s.haproxyPort, soon, "one", "two")
	s.inSync(t)
	s.checkCommands(t)
	s.checkFiles(t, "kept-h", "h/haproxy.cfg", haproxyServer)
}

// both waits until both balancers send requests to exactly those.
func (s *site) both(t *testing.T, who ...string) {
	t.Helper()
	s.serves(t, s.haproxyPort, 10*time.Second, who...)
	s.serves(t, s.nginxPort, 10*time.Second, who...)
}

// attack writes everything hostile, and returns the reason for each key that is there then.
func (s *site) attack(t *testing.T) map[string]string {
	t.Helper()
	want := map[string]string{}
	for i, list := range []map[lbsync.Reason][]string{hostileValues, lbsync.RejectedValues} {
		for reason, values := range list {
			for j, value := range values {
				s.hostile(t, want, fmt.Sprintf("v%d/%s/%d", i, reason, j), value, reason)
			}
		}
	}
	for i, key := range hostileKeys {
		s.hostile(t, want, key, fmt.Sprintf("10.66.1.%d:80", i+1), lbsync.ReasonKey)
	}
	for i, key := range lbsync.BadKeys {
		s.hostile(t, want, url.PathEscape(key), fmt.Sprintf("10.66.2.%d:80", i+1), lbsync.ReasonKey)
	}
	for _, key := range []string{"z/a", "z/b"} { // Two keys that would be one server of the same name.
		s.hostile(t, want, key, s.backends["two"].Addr, lbsync.ReasonDuplicate)
	}
	t.Logf("%d hostile entries got into the registry", len(want))
	if len(want) < 300 {
		t.Error("too many were refused by the registry itself")
	}
	return want
}

// hostile puts an entry and notes why it must be rejected, if it is there then.
func (s *site) hostile(t *testing.T, want map[string]string, path, value string, reason lbsync.Reason) {
	t.Helper()
	status := s.ask(t, http.MethodPut, "/frontends/"+path, url.Values{"value": {value}})
	key, err := url.PathUnescape(path)
	if err != nil {
		t.Fatal(err)
	}
	if status/100 == 2 {
		want[string([]rune(key))] = string(reason) // JSON has another character for each byte that is not UTF-8.
	}
}

// quarantines waits until exactly those entries are rejected, each for its reason.
func (s *site) quarantines(t *testing.T, want map[string]string) {
	t.Helper()
	var got map[string]string
	defer func() {
		if t.Failed() {
			t.Logf("rejected entries: -want +got\n%.4000s", cmp.Diff(want, got))
		}
	}()
	lbtest.Eventually(t, 10*time.Second, "the hostile entries are rejected", func() bool {
		got = map[string]string{}
		for _, h := range s.syncer.Status().Services[0].Hosts {
			if h.Verdict == lbsync.VerdictRejected {
				got[h.Key] = h.Reason
			}
		}
		return cmp.Equal(want, got)
	})
}

// changeGoodOnes has good entries come, change and go, among them one that becomes hostile and one with hostile text in
// fields that do not count.
func (s *site) changeGoodOnes(t *testing.T) {
	t.Helper()
	three := func(more string) {
		value := fmt.Sprintf(`{"addr":%q,"evil":"\n server evil 10.66.0.1:80;}","zone":"a","instance_id":"i-evil"%s}`, s.backends["three"].Addr, more)
		s.ask(t, http.MethodPut, "/frontends/three", url.Values{"value": {value}})
	}
	three(`,"maxconn":30`)
	s.both(t, "one", "two", "three")
	three(`,"state":"drain"`)
	s.both(t, "one", "two")
	three(`,"weight":50,"maxconn":20`)
	s.both(t, "one", "two", "three")
	for _, value := range []string{"10.66.0.1:80\nserver evil", "${HOME}", ""} {
		s.ask(t, http.MethodPut, "/frontends/one", url.Values{"value": {value}})
		lbtest.Eventually(t, 5*time.Second, "the last good value stands in", func() bool { return s.held() == 1 })
		s.both(t, "one", "two", "three")
		s.register(t, "one")
		lbtest.Eventually(t, 5*time.Second, "the good value is back", func() bool { return s.held() == 0 })
	}
	s.unregister(t, "three")
	s.both(t, "one", "two")
	lbtest.Eventually(t, 10*time.Second, "the removed server is deleted", func() bool { return s.syncer.Stats().Targets[0].Leaving == 0 })
}

// commandForms are all that lbsync may say to HAProxy, to the letter. NAME is a server's name and ADDR its address.
var commandForms = map[string]string{
	"info":    `show info`,
	"stat":    `show stat`,
	"state":   `show servers state`,
	"marker":  `get var proc\.rollcall_gen`,
	"add":     `add server NAME ADDR id [1-9][0-9]{0,4} weight (?:0|[1-9][0-9]?|1[0-9]{2}|2[0-5][0-9])(?: maxconn [1-9][0-9]{0,6})? check inter 2s fastinter 500ms fall 2 rise 2`,
	"health":  `enable health NAME`,
	"ready":   `set server NAME state ready`,
	"maint":   `set server NAME state maint`,
	"weight":  `set server NAME weight (?:0|[1-9][0-9]?|1[0-9]{2}|2[0-5][0-9])`,
	"maxconn": `set maxconn server NAME [0-9]{1,7}`,
	"del":     `del server NAME`,
	"proc":    `show proc`,
	"reload":  `reload`,
}

var workerPrefix = regexp.MustCompile(`^@![1-9][0-9]* `)

// The lines of servers in both files.
const (
	haproxyServer = `    server NAME ADDR id [1-9][0-9]{0,4} weight (?:0|[1-9][0-9]{0,2})(?: maxconn [1-9][0-9]{0,6})? check inter 2s fastinter 500ms fall 2 rise 2`
	nginxServer   = `    server ADDR weight=[1-9][0-9]{0,2}(?: max_conns=[1-9][0-9]{0,6})? max_fails=3 fail_timeout=5s(?: down)?;`
)

// form makes a form of one server of the site into a regular expression for whole lines.
func form(text, addr, prefix string) *regexp.Regexp {
	name := prefix + "s_" + strings.ReplaceAll(addr, ":", "_")
	return regexp.MustCompile("^" + strings.NewReplacer("NAME", regexp.QuoteMeta(name), "ADDR", regexp.QuoteMeta(addr)).Replace(text) + "\n$")
}

// fits tells whether a line is of a form, for one of the site's web servers.
func (s *site) fits(line, text, prefix string) bool {
	for _, b := range s.backends {
		if form(text, b.Addr, prefix).MatchString(line) {
			return true
		}
	}
	return false
}

// formOf names the form of a command, empty for none. One by way of the master may be for a certain worker.
func (s *site) formOf(command string) string {
	command = workerPrefix.ReplaceAllString(command, "")
	for name, text := range commandForms {
		if s.fits(command, text, "frontends/") {
			return name
		}
	}
	return ""
}

// checkCommands fails the test for every command that is not of one of the forms.
func (s *site) checkCommands(t *testing.T) {
	t.Helper()
	seen := map[string]int{}
	for _, command := range append(s.relay.Commands(), s.master.Commands()...) {
		known := s.formOf(command)
		if known == "" {
			t.Errorf("lbsync said %q", command)
		}
		seen[known]++
	}
	if seen["add"] == 0 || seen["health"] == 0 || seen["ready"] == 0 || seen["reload"] == 0 {
		t.Errorf("commands seen: %v", seen)
	}
	t.Logf("commands: %v", seen)
}

var generation = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

// checkFiles fails the test unless all files that lbsync has had checked, and the one that is in place, are the same but
// for their generations and the lines of good servers.
func (s *site) checkFiles(t *testing.T, kept, live, server string) {
	t.Helper()
	var paths []string
	lbtest.Eventually(t, 5*time.Second, "at least two files are checked", func() bool {
		paths, _ = filepath.Glob(filepath.Join(s.path(kept), "kept.*")) // The pattern is good.
		return len(paths) >= 2
	})
	want := s.withoutServers(t, s.path(live), server)
	if strings.Contains(want, "server s_") || !strings.Contains(want, "frontends") {
		t.Errorf("without its servers %s is\n%s", live, want)
	}
	files := 0
	for _, path := range paths {
		got := s.withoutServers(t, path, server)
		if strings.Contains(got, "server 127.0.0.1:1 down;") && !strings.Contains(got, "Written by registry lbsync") {
			continue // What was there before lbsync.
		}
		files++
		if got != want {
			t.Errorf("a file that was checked differs from %s: -in place +checked\n%s", live, cmp.Diff(want, got))
		}
	}
	t.Logf("%d files of %s", files, live)
}

// withoutServers is a file without the lines of good servers and without its generation.
func (s *site) withoutServers(t *testing.T, path, server string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if !s.fits(line, server, "") {
			out.WriteString(generation.ReplaceAllString(line, "GENERATION"))
		}
	}
	return out.String()
}
