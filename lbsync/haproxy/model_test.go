package haproxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseFile(t *testing.T) {
	m := parseFile([]byte(`global
    set-var proc.rollcall_gen str(0123456789abcdef)
peers p
    server s_10.0.0.9_80 10.0.0.9:80
backend a
    balance roundrobin
    server s_10.0.0.1_80 10.0.0.1:80 id 5 weight 0 maxconn 10 backup disabled slowstart 3s check inter 2s # note
    server own 10.0.0.2:80
    server s_10.0.0.3_80 10.0.0.3:80 cookie x
    server s_10.0.0.4_80 10.0.0.4:80 sni str("x")
listen b from d
    server-template t 1-3 10.0.0.5:80
    server s_2001:db8::1_80 2001:db8::1:80
frontend f
    server s_10.0.0.6_80 10.0.0.6:80
`))
	addr := netip.MustParseAddrPort
	want := []*backend{
		{name: "a", fixed: map[string]bool{"own": true, "s_10.0.0.3_80": true, "s_10.0.0.4_80": true}, servers: []serverLine{{
			name: "s_10.0.0.1_80", addr: addr("10.0.0.1:80"), id: 5, maxConn: 10, disabled: true, backup: true, check: true,
			options: "backup slowstart 3s check inter 2s",
		}}},
		{name: "b", fixed: map[string]bool{}, open: true, servers: []serverLine{{
			name: "s_2001:db8::1_80", addr: addr("[2001:db8::1]:80"), weight: 1,
		}}},
	}
	d := cmp.Diff(want, m.backends, cmp.AllowUnexported(backend{}, serverLine{}), cmpopts.EquateComparable(netip.AddrPort{}))
	if d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if m.marker != "0123456789abcdef" {
		t.Errorf("marker %q", m.marker)
	}
	for text, in := range map[string]bool{"10.0.0.1:80": false, "own": true, "10.0.0.3": true, "10.0.0.9": true, "10.0.0.6": true, "2001:db8::1:80": false} {
		if strings.Contains(string(m.structure), text) != in {
			t.Errorf("%s in the structure: %v", text, !in)
		}
	}
}

// Where a line does not show all of a server's options, servers belong to the structure.
func TestHiddenOptions(t *testing.T) {
	for _, line := range []string{"default-server inter 1s", ".if defined(X)"} {
		m := parseFile([]byte("defaults\n" + line + "\nbackend a\nserver s_10.0.0.1_80 10.0.0.1:80\n"))
		if len(m.backends[0].servers) != 0 || !strings.Contains(string(m.structure), "s_10.0.0.1_80") {
			t.Errorf("%s: %+v", line, m.backends[0])
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"s_10.0.0.1_80": true, "s_2001:db8::1_80": true,
		"s_10.0.0.1": false, "s_10.0.0.1_80000": false, "s_a_80": false, "x_10.0.0.1_80": false, "s_10.0.0.1_": false, "": false,
	} {
		if isOurs(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
