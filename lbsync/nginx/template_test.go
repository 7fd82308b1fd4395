package nginx

import (
	"path/filepath"
	"testing"
	"time"

	"rollcall/lbsync"
)

func TestGenerationFollowsTheContent(t *testing.T) {
	generation := func(conf lbsync.Nginx, values ...string) string {
		conf.Services = []string{"a"}
		d := newTarget(t, conf).Driver.(*Driver)
		text, err := d.Render([]lbsync.Pool{newPoolOf(t, "a", values...)})
		if err != nil {
			t.Fatal(err)
		}
		g := d.marker.of(text)
		if len(g) != 16 {
			t.Fatalf("generation %q", g)
		}
		return g
	}
	first := generation(lbsync.Nginx{Config: "/a"}, "10.0.0.1")
	if generation(lbsync.Nginx{Config: "/a"}, "10.0.0.1") != first {
		t.Error("the same content has two generations")
	}
	if generation(lbsync.Nginx{Config: "/a"}, "10.0.0.2") == first {
		t.Error("two pools have one generation")
	}
	if generation(lbsync.Nginx{Config: "/a", Verify: "127.0.0.1:1"}, "10.0.0.1") == first {
		t.Error("two addresses have one generation")
	}
	if generation(lbsync.Nginx{Config: "/b"}, "10.0.0.1") == first {
		t.Error("two files have one generation")
	}
}

func TestBadTargets(t *testing.T) {
	for name, text := range map[string]string{
		"syntax":                   "{{range}}",
		"unknown field":            "{{.Key}}",
		"raw field":                "{{range .Pools}}{{range .Servers}}{{.Host}}{{end}}{{end}}",
		"fails with servers alone": "x{{range .Pools}}{{range .Servers}}{{.Nothing}}{{end}}{{end}}",
		"fails without servers":    "{{range .Pools}}{{(index .Servers 0).Name}}{{end}}",
		"function":                 `{{env "HOME"}}`,
		"control character":        "x\x01\n",
		"nothing":                  "{{if false}}x{{end}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.tmpl")
			writeFile(t, path, text)
			if _, err := NewTarget(lbsync.Nginx{Template: path, Services: []string{"a"}}, Options{}); err == nil {
				t.Error("accepted")
			}
		})
	}
	for _, conf := range []lbsync.Nginx{{Template: filepath.Join(t.TempDir(), "none")}, {Verify: "localhost:80"}, {Verify: "127.0.0.1"}} {
		if _, err := NewTarget(conf, Options{}); err == nil {
			t.Errorf("%+v is accepted", conf)
		}
	}
}

func TestTargetHasZoneAndPace(t *testing.T) {
	gap, none := lbsync.Duration(2*time.Second), lbsync.Duration(0)
	got := newTarget(t, lbsync.Nginx{Zone: "z1", Services: []string{"a"}, Pace: lbsync.PaceConfig{MinGap: &gap, Jitter: &none, PerMinute: 5}})
	if want := (lbsync.Pace{MinGap: 2 * time.Second, Jitter: -1, PerMinute: 5}); got.Pace != want || got.Zone != "z1" {
		t.Errorf("got %+v", got)
	}
}

// nginx takes no weight of 0.
func TestWeightZeroIsDown(t *testing.T) {
	s := newPoolOf(t, "a", "10.0.0.1").Servers[0]
	s.Weight = 0
	got := newPool(lbsync.Pool{Name: "a", Servers: []lbsync.Server{s}}).Servers[0]
	if got.Weight != 1 || !got.Down {
		t.Errorf("got %+v", got)
	}
}
