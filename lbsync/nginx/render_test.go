package nginx

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func newPoolOf(t *testing.T, name string, values ...string) lbsync.Pool {
	t.Helper()
	p := lbsync.Pool{Name: name}
	for _, v := range values {
		s, err := lbsync.ParseValue(v, 8080)
		if err != nil {
			t.Fatal(err)
		}
		p.Servers = append(p.Servers, s)
	}
	return p
}

// newDriver completes a configuration and makes its driver.
func newDriver(t *testing.T, conf lbsync.Nginx) *Driver {
	t.Helper()
	conf.Config, conf.Services = "/etc/nginx/conf.d/frontends.conf", []string{"frontends"}
	conf.Check = lbsync.Command{lbtest.Program(t, "nginx"), "-t"}
	target, err := NewTarget(conf, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return target.Driver.(*Driver)
}

func TestRenderGolden(t *testing.T) {
	frontends := newPoolOf(t, "frontends",
		"10.0.1.1", "10.0.1.1:8081", `{"addr":"10.0.1.2","weight":50,"zone":"a"}`, `{"addr":"10.0.1.3","state":"drain"}`,
		`{"addr":"10.0.1.4","state":"down"}`, `{"addr":"10.0.1.5","backup":true}`, "2001:db8::1", "[2001:db8::2]:80",
		`{"addr":"10.0.1.6","maxconn":200,"slowstart":30}`)
	for _, tt := range []struct {
		name  string
		conf  lbsync.Nginx
		pools []lbsync.Pool
	}{
		{"one", lbsync.Nginx{}, []lbsync.Pool{newPoolOf(t, "frontends", "10.0.1.1")}},
		{"operator", lbsync.Nginx{Template: filepath.Join("testdata", "operator.tmpl")}, []lbsync.Pool{frontends, newPoolOf(t, "not_yet")}},
		{"all", lbsync.Nginx{Verify: "127.0.0.1:9913"}, []lbsync.Pool{
			frontends,
			newPoolOf(t, "only-backups", `{"addr":"10.0.1.5","backup":true}`),
			newPoolOf(t, "only_down", `{"addr":"10.0.1.5","state":"down"}`, `{"addr":"10.0.1.6","state":"down","backup":true}`),
			newPoolOf(t, "not_yet"),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriver(t, tt.conf)
			got, err := d.Render(tt.pools)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tt.name+".conf")
			if *update {
				writeFile(t, golden, string(got))
			}
			if diff := cmp.Diff(readFile(t, golden), string(got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if err := d.CheckCandidate(t.Context(), golden); err != nil {
				t.Error(err)
			}
		})
	}
}

// A zone that is too small makes nginx refuse the file.
func TestZoneIsLargeEnough(t *testing.T) {
	d := newDriver(t, lbsync.Nginx{})
	for _, size := range []int{1, 51, 52, 64, 65, 100, 152, 153, 319, 320, 649, 1305, 3000} {
		for _, form := range []string{"10.1.%d.%d", "2001:db8::%x:%x"} {
			p := lbsync.Pool{Name: "frontends"}
			for i := range size {
				p.Servers = append(p.Servers, newPoolOf(t, "x", fmt.Sprintf(form, i/250, i%250+1)).Servers...)
			}
			text, err := d.Render([]lbsync.Pool{p})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "upstreams.conf")
			writeFile(t, path, string(text))
			if err := d.CheckCandidate(t.Context(), path); err != nil {
				t.Errorf("%d servers like %s: %v", size, form, err)
			}
		}
	}
}

func TestCandidateThatIsNoUpstreamIsRefused(t *testing.T) {
	d := newDriver(t, lbsync.Nginx{})
	for _, text := range []string{"upstream x {}\n", "upstream x { server 10.0.0.1:80 }\n", "load_module x.so;\n", "}\n"} {
		path := filepath.Join(t.TempDir(), "bad.conf")
		writeFile(t, path, text)
		if err := d.CheckCandidate(t.Context(), path); err == nil {
			t.Errorf("%q: accepted", text)
		}
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
