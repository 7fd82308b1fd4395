package feed

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
)

var update = flag.Bool("update", false, "write the golden files anew")

// server parses a value, as lbsync does.
func server(value string) lbsync.Server {
	s, err := lbsync.ParseValue(value, 8080)
	if err != nil {
		panic(err)
	}
	return s
}

func pool(name string, values ...string) lbsync.Pool {
	p := lbsync.Pool{Name: name}
	for _, v := range values {
		p.Servers = append(p.Servers, server(v))
	}
	return p
}

// somePools are pools in which each state, zone and priority occurs.
func somePools() []lbsync.Pool {
	return []lbsync.Pool{
		pool("frontends",
			"10.0.1.1",
			`{"addr":"10.0.1.2","weight":50,"zone":"b","instance_id":"i-2"}`,
			`{"addr":"10.0.1.3","state":"drain","zone":"b"}`,
			`{"addr":"10.0.1.4","state":"down"}`,
			`{"addr":"10.0.1.5","backup":true,"zone":"b"}`,
			"[2001:db8::1]:81",
		),
		pool("api", "10.0.2.1:80", "10.0.2.2:80"),
		pool("spare", `{"addr":"10.0.3.1","backup":true}`, `{"addr":"10.0.3.2","state":"down"}`),
		pool("nobody"),
	}
}

var formats = map[string]func([]lbsync.Pool) []byte{
	"traefik.json": Traefik, "eds.json": Envoy, "prometheus.json": Prometheus,
}

// The files are what each format looks like.
func TestGolden(t *testing.T) {
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			var v any
			if err := json.Unmarshal(format(somePools()), &v); err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Equal pools give equal bytes, in whatever order the services are, and formatting does not change the pools.
func TestOrderOfServicesDoesNotCount(t *testing.T) {
	for name, format := range formats {
		pools := somePools()
		slices.Reverse(pools)
		if diff := cmp.Diff(string(format(somePools())), string(format(pools))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		slices.Reverse(pools)
		if diff := cmp.Diff(somePools(), pools, cmp.Comparer(func(a, b lbsync.Server) bool { return a == b })); diff != "" {
			t.Errorf("%s changed the pools: %s", name, diff)
		}
	}
}

// Without any service, each format still is a document that its reader takes.
func TestNoPools(t *testing.T) {
	for name, want := range map[string]string{
		"traefik.json": "{}\n", "prometheus.json": "[]\n",
		"eds.json": `{"version_info":"37517e5f3dc66819","resources":[],"type_url":"` + EndpointType + `","nonce":"37517e5f3dc66819"}` + "\n",
	} {
		if got := string(formats[name](nil)); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Traefik 2 refuses a document with a weight, so there is one only where servers differ.
func TestTraefikWeights(t *testing.T) {
	even := string(Traefik([]lbsync.Pool{pool("a", `{"addr":"10.0.0.1","weight":7}`, `{"addr":"10.0.0.2","weight":7}`)}))
	want := `{"http":{"services":{"a":{"loadBalancer":{"servers":[{"url":"http://10.0.0.1:8080"},{"url":"http://10.0.0.2:8080"}]}}}}}` + "\n"
	if even != want {
		t.Error(even)
	}
}

func TestEnvoyVersionFollowsContent(t *testing.T) {
	version := func(pools ...lbsync.Pool) string { return envoyResponse(pools).VersionInfo }
	base := version(pool("a", "10.0.0.1"))
	if base != version(pool("a", "10.0.0.1")) || len(base) != 16 {
		t.Errorf("version %q", base)
	}
	for _, other := range []string{"10.0.0.2", "10.0.0.1:81", `{"addr":"10.0.0.1","weight":1}`, `{"addr":"10.0.0.1","state":"drain"}`, `{"addr":"10.0.0.1","zone":"z"}`} {
		if version(pool("a", other)) == base {
			t.Errorf("%s has the same version", other)
		}
	}
}

// A pool of thousands costs milliseconds: a poller asks every few seconds.
func BenchmarkPrometheus(b *testing.B) {
	p := lbsync.Pool{Name: "a"}
	for i := range 5000 {
		p.Servers = append(p.Servers, server(fmt.Sprintf(`{"addr":"10.0.%d.%d","instance_id":"i-%d"}`, i/250, i%250+1, i)))
	}
	for b.Loop() {
		Prometheus([]lbsync.Pool{p})
	}
}
