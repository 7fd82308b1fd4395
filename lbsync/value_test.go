package lbsync

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compareAddrs = cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})

func up(addr string) Server {
	return Server{Addr: netip.MustParseAddrPort(addr), Weight: DefaultWeight, State: Up}
}

func named(host string, port uint16) Server {
	return Server{Host: host, Addr: netip.AddrPortFrom(netip.Addr{}, port), Weight: DefaultWeight, State: Up}
}

func with(s Server, change func(*Server)) Server {
	change(&s)
	return s
}

func TestParseValueAccepts(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  Server
	}{
		{"10.0.1.1", up("10.0.1.1:7000")},
		{"10.0.1.1:8080", up("10.0.1.1:8080")},
		{"10.0.1.1:1", up("10.0.1.1:1")},
		{"10.0.1.1:65535", up("10.0.1.1:65535")},
		{"127.0.0.1", up("127.0.0.1:7000")},
		{"2001:db8::1", up("[2001:db8::1]:7000")},
		{"[2001:db8::1]:8080", up("[2001:db8::1]:8080")},
		{"2001:DB8:0::1", up("[2001:db8::1]:7000")},
		{"::1", up("[::1]:7000")},
		{"::ffff:10.0.1.1", up("10.0.1.1:7000")},
		{"host.example", named("host.example", 7000)},
		{"Host.Example:8080", named("host.example", 8080)},
		{"1.2.3.4.example", named("1.2.3.4.example", 7000)},
		{`{"addr":"10.0.1.1"}`, up("10.0.1.1:7000")},
		{` {"addr":"10.0.1.1"}`[1:] + "\n ", up("10.0.1.1:7000")},
		{`{"addr":"10.0.1.1","port":8080}`, up("10.0.1.1:8080")},
		{`{"addr":"10.0.1.1:8080","port":8080}`, up("10.0.1.1:8080")},
		{`{"addr":"[2001:db8::1]:81"}`, up("[2001:db8::1]:81")},
		{`{"addr":"host.example","port":81}`, named("host.example", 81)},
		{`{"addr":"10.0.1.1","weight":256}`, with(up("10.0.1.1:7000"), func(s *Server) { s.Weight = 256 })},
		{`{"addr":"10.0.1.1","weight":1}`, with(up("10.0.1.1:7000"), func(s *Server) { s.Weight = 1 })},
		{`{"addr":"10.0.1.1","weight":0}`, with(up("10.0.1.1:7000"), func(s *Server) { s.State = Drain })},
		{`{"addr":"10.0.1.1","weight":0,"state":"up"}`, with(up("10.0.1.1:7000"), func(s *Server) { s.State = Drain })},
		{`{"addr":"10.0.1.1","state":"drain"}`, with(up("10.0.1.1:7000"), func(s *Server) { s.State = Drain })},
		{`{"addr":"10.0.1.1","state":"down"}`, with(up("10.0.1.1:7000"), func(s *Server) { s.State = Down })},
		{`{"addr":"10.0.1.1","backup":true}`, with(up("10.0.1.1:7000"), func(s *Server) { s.Backup = true })},
		{`{"addr":"10.0.1.1","backup":false,"zone":"eu-1.a_b"}`, with(up("10.0.1.1:7000"), func(s *Server) { s.Zone = "eu-1.a_b" })},
		{`{"addr":"10.0.1.1","instance_id":"i-0f"}`, with(up("10.0.1.1:7000"), func(s *Server) { s.InstanceID = "i-0f" })},
		{`{"addr":"10.0.1.1","x":{"addr":"\n"},"y":[1,{}],"ADDR":null}`, up("10.0.1.1:7000")},
	} {
		got, err := ParseValue(tt.value, 7000)
		if err != nil {
			t.Errorf("%q: %v", tt.value, err)
			continue
		}
		if d := cmp.Diff(tt.want, got, compareAddrs); d != "" {
			t.Errorf("%q: -want +got\n%s", tt.value, d)
		}
	}
}

// rejected lists values that must never become a server, with the reason. Other tests send all of them through a whole
// Syncer.
var rejected = map[Reason][]string{
	ReasonEmpty:   {""},
	ReasonTooLong: {strings.Repeat("1", 4097), strings.Repeat("a", 64<<10), `{"addr":"10.0.1.1","x":"` + strings.Repeat("a", 64<<10) + `"}`},
	ReasonSyntax: {
		" ", "\n", "10.0.1.1 ", " 10.0.1.1", "10.0.1.1\n", "\t10.0.1.1", "10.0.1.1\x00", "10.0.1.1\r\n", "\ufeff10.0.1.1",
		"10.0.1", "10.1", "010.1.1.1", "10.0.1.01", "10.0.0.256", "167772161", "0x0a000001", "0x0a.0.0.1", "1.2.3.4.5", "a.b.0x1",
		"10.0.1.1/24", "10.0.1.1,10.0.1.2", "10.0.1.1;", "10.0.1.1#", "10.0.1.1\nserver x 10.0.0.2:80",
		"10.0.0.1:80;}\nserver{listen 127.0.0.1:18199;root /etc;}\nupstream x{server 10.0.0.2:80;",
		"*", "*:80", "$HOME", "${HOME}", "${HOME}:80", "unix@/tmp/x", "/tmp/x", "abns@x", "ipv4@10.0.0.1", "fd@3",
		"localhost", "check", "localhost:80", "a_b.example", "-a.example", "a-.example", "a..example", ".example", "example.",
		strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "aa", "h\u00f6st.example", "\uff11\uff10.0.1.1", "10\u30020.1.1",
		"10.0.1.\u0661", "\u0441.example", "host.example:80:80", "user@10.0.1.1", "host.example weight 1",
		"[10.0.1.1]:80", "[2001:db8::1]", "[::1]80", "[::1:80", "[]:80", "[host.example]:80", "2001:db8::1::2", "2001:db8::g", "'10.0.1.1'", `"10.0.1.1"`,
		"\xff10.0.1.1", "10.0.1.1\xc0\x80", "null", "true", "[1]", "%31%30.0.1.1", "10.0.1.1%0a", `\n`,
	},
	ReasonJSON: {
		"{", "{}x", "{}{}", `{"addr":"10.0.1.1"`, `{"addr":"10.0.1.1"} x`, `{"addr":"10.0.1.1","addr":"10.0.1.2"}`,
		`{addr:"10.0.1.1"}`, `{'addr':'10.0.1.1'}`, `{"addr":"10.0.1.1",}`, `{"x":1,"x":2,"addr":"10.0.1.1"}`, "{\"addr\":\"10.0.1.1\n\"}",
	},
	ReasonField: {
		"{}", `{"addr":null}`, `{"addr":1}`, `{"addr":["10.0.1.1"]}`, `{"Addr":"10.0.1.1"}`, `{"port":80}`,
		`{"addr":"10.0.1.1","weight":-1}`, `{"addr":"10.0.1.1","weight":257}`, `{"addr":"10.0.1.1","weight":1.5}`,
		`{"addr":"10.0.1.1","weight":"1"}`, `{"addr":"10.0.1.1","weight":1e2}`, `{"addr":"10.0.1.1","weight":null}`,
		`{"addr":"10.0.1.1","weight":99999999999999999999}`, `{"addr":"10.0.1.1","state":"UP"}`, `{"addr":"10.0.1.1","state":""}`,
		`{"addr":"10.0.1.1","state":"up\n"}`, `{"addr":"10.0.1.1","state":1}`, `{"addr":"10.0.1.1","backup":1}`,
		`{"addr":"10.0.1.1","backup":"true"}`, `{"addr":"10.0.1.1","backup":null}`, `{"addr":"10.0.1.1","zone":"a b"}`,
		`{"addr":"10.0.1.1","zone":"a\nb"}`, `{"addr":"10.0.1.1","zone":"a;"}`, `{"addr":"10.0.1.1","zone":"{a}"}`, `{"addr":"10.0.1.1","zone":1}`,
		`{"addr":"10.0.1.1","zone":"` + strings.Repeat("a", 129) + `"}`, `{"addr":"10.0.1.1","instance_id":"i 1"}`,
		`{"addr":"10.0.1.1","instance_id":"\u0000"}`, `{"addr":"10.0.1.1","instance_id":"` + "\u0430" + `"}`,
	},
	ReasonPort: {
		"unix:/tmp/x", "http://10.0.1.1", "10.0.1.1:80 weight 1", "10.0.1.1:", "10.0.1.1:0", "10.0.1.1:65536", "10.0.1.1:70000", "10.0.1.1:080", "10.0.1.1:+80", "10.0.1.1:-80", "10.0.1.1: 80",
		"10.0.1.1:80\n", "10.0.1.1:8_0", "10.0.1.1:0x50", "10.0.1.1:http", "10.0.1.1:99999999999999999999", "[2001:db8::1]:", "[2001:db8::1]:0",
		"[2001:db8::1]:80 check", "[2001:db8::1]:80\n", "host.example:", "host.example:0", "host.example:80\nx", "10.0.1.1:\uff18",
		`{"addr":"10.0.1.1","port":0}`, `{"addr":"10.0.1.1","port":65536}`, `{"addr":"10.0.1.1","port":"80"}`, `{"addr":"10.0.1.1","port":80.0}`,
		`{"addr":"10.0.1.1","port":8e1}`, `{"addr":"10.0.1.1","port":null}`, `{"addr":"10.0.1.1:80","port":81}`, `{"addr":"10.0.1.1:080"}`,
	},
	ReasonAddress: {
		"0.0.0.0", "0.0.0.0:80", "0.1.2.3", "::", "[::]:80", "255.255.255.255", "240.0.0.1", "224.0.0.1", "239.1.2.3:80", "ff02::1", "[ff02::1]:80",
		"169.254.169.254", "169.254.169.254:80", "fe80::1", "fe80::1%eth0", "[fe80::1%eth0]:80", "[2001:db8::1%lo]:80", "::ffff:0.0.0.0",
		"::ffff:169.254.169.254", `{"addr":"0.0.0.0"}`, `{"addr":"169.254.169.254","port":80}`,
	},
}

func TestParseValueRejects(t *testing.T) {
	for reason, values := range rejected {
		for _, value := range values {
			got, err := ParseValue(value, 7000)
			if no, ok := errors.AsType[*RejectError](err); !ok || no.Reason != reason {
				t.Errorf("%.80q: got %+v, %v, want %s", value, got, err, reason)
			}
		}
	}
}

func TestJSONSyntaxInsideAddrIsRejectedToo(t *testing.T) {
	for _, addr := range []string{`10.0.1.1\n`, `10.0.1.1\u0000`, `10.0.1.1;`, `${HOME}`, `*`, `unix@/x`, ``} {
		_, err := ParseValue(`{"addr":"`+addr+`","port":80}`, 0)
		if no, ok := errors.AsType[*RejectError](err); !ok || no.Reason != ReasonSyntax {
			t.Errorf("%q: got %v", addr, err)
		}
	}
}

func TestParseValueWithoutDefaultPort(t *testing.T) {
	for _, value := range []string{"10.0.1.1", "2001:db8::1", "host.example", `{"addr":"10.0.1.1"}`} {
		_, err := ParseValue(value, 0)
		if no, ok := errors.AsType[*RejectError](err); !ok || no.Reason != ReasonNoPort {
			t.Errorf("%q: got %v, want %s", value, err, ReasonNoPort)
		}
	}
}

func TestCheckKey(t *testing.T) {
	for _, key := range []string{"fe1", "10.0.1.1:8080", "a/b/c", "i-0f_1@x+y=z~", "[::1]:80"[1:4]} {
		if err := checkKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for _, key := range badKeys {
		if err := checkKey(key); err == nil {
			t.Errorf("%.80q: accepted", key)
		}
	}
}

// badKeys must be rejected whatever their value is.
var badKeys = []string{
	"", "fe1 x", "fe1\n", "fe1\nserver x 10.0.0.1:80", "fe1\r", "fe1\t", "fe1\x00", "fe1;", "fe{1}", "fe}1", "\"fe1\"", "'fe1'", "fe#1", "${HOME}", "*",
	"f\u00e91", "\u0441\u0435", "fe1\u2028", "\xff\xfe", "fe\\1", "fe1%0Ainclude", "fe|1", "fe`id`", "$(id)", "<x>", strings.Repeat("f", 1025), strings.Repeat("f", 64<<10),
}

// safe is the law of the characters: whatever was in a value, only these reach a file.
var safe = regexp.MustCompile(`^s_[0-9a-f.:]+_[0-9]+$`)

func FuzzParseValue(f *testing.F) {
	for _, values := range rejected {
		for _, v := range values {
			f.Add(v, uint16(80))
		}
	}
	for _, v := range []string{"10.0.1.1", "[2001:db8::1]:8080", "host.example:1", `{"addr":"10.0.1.1","weight":0,"zone":"a","backup":true}`} {
		f.Add(v, uint16(0))
	}
	f.Fuzz(func(t *testing.T, value string, port uint16) {
		s, err := ParseValue(value, port)
		if err != nil {
			if _, ok := errors.AsType[*RejectError](err); !ok {
				t.Fatalf("error without a reason: %v", err)
			}
			return
		}
		again, err := ParseValue(s.Value(), 0)
		if err != nil || again != s {
			t.Fatalf("%q became %+v, and that became %+v, %v", value, s, again, err)
		}
		if s.Addr.Port() == 0 || s.Weight < 1 || s.Weight > MaxWeight {
			t.Fatalf("%q became %+v", value, s)
		}
		if s.Host == "" && (!safe.MatchString(s.Name()) || !allowed(s.Addr.Addr())) {
			t.Fatalf("%q became %+v, %q", value, s, s.Name())
		}
		if !consistsOf(s.Host, ".-") || !consistsOf(s.Zone, "._-") || !consistsOf(s.InstanceID, "._-") {
			t.Fatalf("%q became %+v", value, s)
		}
	})
}
