package haproxy

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// server makes a server of a value.
func server(t *testing.T, value string) lbsync.Server {
	t.Helper()
	s, err := lbsync.ParseValue(value, 8080)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pool(t *testing.T, name string, values ...string) lbsync.Pool {
	t.Helper()
	p := lbsync.Pool{Name: name}
	for _, v := range values {
		p.Servers = append(p.Servers, server(t, v))
	}
	return p
}

func newDriver(t *testing.T, conf lbsync.HAProxy, o Options) lbsync.Driver {
	t.Helper()
	target, err := NewTarget(conf, o)
	if err != nil {
		t.Fatal(err)
	}
	return target.Driver
}

func TestRenderGolden(t *testing.T) {
	all := pool(t, "frontends",
		"10.0.1.1", "10.0.1.1:8081", `{"addr":"10.0.1.2","weight":50,"zone":"a"}`, `{"addr":"10.0.1.3","state":"drain"}`,
		`{"addr":"10.0.1.4","state":"down"}`, `{"addr":"10.0.1.5","backup":true,"maxconn":20}`,
		`{"addr":"10.0.1.6","slowstart":30}`, "2001:db8::1", "[2001:db8::2]:80")
	template := filepath.Join("testdata", "operator.tmpl")
	for _, tt := range []struct {
		name  string
		conf  lbsync.HAProxy
		o     Options
		pools []lbsync.Pool
	}{
		{"one", lbsync.HAProxy{Bind: ":80"}, Options{}, []lbsync.Pool{pool(t, "frontends", "10.0.1.1")}},
		{"all", lbsync.HAProxy{Bind: "127.0.0.1:80", RuntimeSocket: "/run/haproxy/admin.sock"}, Options{RunAs: "haproxy"}, []lbsync.Pool{all, pool(t, "api-v2", "10.0.2.1"), pool(t, "not_yet")}},
		{"operator", lbsync.HAProxy{Template: template}, Options{}, []lbsync.Pool{all}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newDriver(t, tt.conf, tt.o).Render(tt.pools)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tt.name+".cfg")
			if *update {
				writeFile(t, golden, string(got))
			}
			if d := cmp.Diff(readFile(t, golden), string(got)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			checkFile(t, golden)
		})
	}
}

// checkFile has the real HAProxy examine a file.
func checkFile(t *testing.T, path string) {
	t.Helper()
	haproxy := lbtest.Program(t, "haproxy")
	if err := (lbsync.Command{haproxy, "-c", "-f", path}).Run(t.Context(), checkTimeout); err != nil {
		t.Error(err)
	}
}

func TestManyServersPassTheCheck(t *testing.T) {
	p := lbsync.Pool{Name: "frontends"}
	for i := range 4000 {
		p.Servers = append(p.Servers, server(t, fmt.Sprintf("10.1.%d.%d", i/250, i%250+1)))
	}
	text, err := newDriver(t, lbsync.HAProxy{Bind: ":80"}, Options{}).Render([]lbsync.Pool{p})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	writeFile(t, path, string(text))
	checkFile(t, path)
}

func TestGenerationFollowsTheStructure(t *testing.T) {
	d := newDriver(t, lbsync.HAProxy{Bind: ":80"}, Options{})
	generation := func(p lbsync.Pool) string {
		text, err := d.Render([]lbsync.Pool{p})
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "proc.rollcall_gen str(")
		g, _, _ := strings.Cut(rest, ")")
		if len(g) != 16 {
			t.Fatalf("generation %q", g)
		}
		return g
	}
	one, two, other := pool(t, "a", "10.0.1.1"), pool(t, "a", "10.0.1.2", "10.0.1.3"), pool(t, "b", "10.0.1.1")
	first := generation(one)
	if generation(two) != first || generation(pool(t, "a")) != first {
		t.Error("the generation follows the servers")
	}
	if generation(other) == first {
		t.Error("the generation does not follow the structure")
	}
}

func TestIDsStayWithTheirServers(t *testing.T) {
	var all []lbsync.Server
	for i := range 500 {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i / 200), byte(i%200 + 1)})
		all = append(all, lbsync.Server{Addr: netip.AddrPortFrom(addr, 80)})
	}
	ids := assignIDs(lbsync.Pool{Name: "a", Servers: all}, nil)
	seen := map[int]bool{}
	for _, id := range ids {
		if id < 1 || id > maxID || seen[id] {
			t.Fatalf("id %d out of range or twice", id)
		}
		seen[id] = true
	}
	moved := 0
	for i, id := range assignIDs(lbsync.Pool{Name: "a", Servers: all[1:]}, nil) {
		if id != ids[i+1] {
			moved++
		}
	}
	if moved > 1 {
		t.Errorf("without the first server, %d ids moved", moved)
	}
}

func TestBadTemplates(t *testing.T) {
	for name, text := range map[string]string{
		"syntax":        "{{range}}",
		"unknown field": "{{.Key}}",
		"raw field":     "{{range .Pools}}{{range .Servers}}{{.Host}}{{end}}{{end}}",
		"function":      `{{env "HOME"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.tmpl")
			writeFile(t, path, text)
			target, err := NewTarget(lbsync.HAProxy{Template: path}, Options{})
			if err == nil {
				_, err = target.Driver.Render([]lbsync.Pool{pool(t, "a", "10.0.1.1")})
			}
			if err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := NewTarget(lbsync.HAProxy{Template: filepath.Join(t.TempDir(), "none")}, Options{}); err == nil {
		t.Error("a missing template is accepted")
	}
}

// The checker takes an empty file for a bad one with exit code 2, which HAProxy would load all the same.
func TestEmptyFileFailsTheCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.cfg")
	writeFile(t, path, "")
	conf := lbsync.HAProxy{Bind: ":80", Check: lbsync.Command{lbtest.Program(t, "haproxy"), "-c", "-f", "{file}"}}
	if err := newDriver(t, conf, Options{}).CheckCandidate(context.Background(), path); err == nil {
		t.Error("accepted")
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func replacePort(text, port string) string { return strings.ReplaceAll(text, "PORT", port) }
