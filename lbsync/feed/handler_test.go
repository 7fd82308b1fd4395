package feed

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rollcall/lbsync"
)

// fixed is a source of pools that are known, or are not.
func fixed(known bool, pools ...lbsync.Pool) func() ([]lbsync.Pool, bool) {
	return func() ([]lbsync.Pool, bool) { return pools, known }
}

type answer struct {
	code   int
	body   string
	header http.Header
}

func ask(h http.Handler, method, path, body string, headers ...string) answer {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Body.String(), w.Header()}
}

func TestHandlerServesEachFeed(t *testing.T) {
	h := Handler(fixed(true, somePools()...))
	for path, format := range map[string]func([]lbsync.Pool) []byte{
		PathTraefik: Traefik, PathEnvoy: Envoy, PathPrometheus: Prometheus,
	} {
		got := ask(h, http.MethodGet, path, "")
		want := string(format(somePools()))
		if got.code != 200 || got.body != want || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v\n%s", path, got.code, got.header, got.body)
		}
		etag := got.header.Get("ETag")
		if head := ask(h, http.MethodHead, path, ""); head.code != 200 || head.header.Get("ETag") != etag || head.header.Get("Content-Length") == "" {
			t.Errorf("HEAD %s: %d %v", path, head.code, head.header)
		}
		if same := ask(h, http.MethodGet, path, "", "If-None-Match", etag); same.code != 304 || same.body != "" {
			t.Errorf("%s with its ETag: %d %q", path, same.code, same.body)
		}
		if part := ask(h, http.MethodGet, path, "", "Range", "bytes=0-3"); part.code != 200 || part.body != want {
			t.Errorf("a part of %s: %d %q", path, part.code, part.body)
		}
		if other := ask(h, http.MethodGet, path, "", "If-None-Match", `"x"`); other.code != 200 {
			t.Errorf("%s with another ETag: %d", path, other.code)
		}
		if post := ask(h, http.MethodPost, path, ""); post.code != 405 {
			t.Errorf("POST %s: %d", path, post.code)
		}
	}
}

func TestHandlerServesOneService(t *testing.T) {
	h := Handler(fixed(true, somePools()...))
	got := ask(h, http.MethodGet, PathPrometheus+"/api", "")
	if want := string(Prometheus(somePools()[1:2])); got.code != 200 || got.body != want {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got := ask(h, http.MethodGet, PathPrometheus+"/nobody", ""); got.code != 200 || got.body != "[]\n" {
		t.Errorf("a service without servers: %d %s", got.code, got.body)
	}
	if got := ask(h, http.MethodGet, PathPrometheus+"/none", ""); got.code != 404 || got.body != "no service \"none\"\n" {
		t.Errorf("a service that is none: %d %s", got.code, got.body)
	}
}

// Never half a list: while one pool is not known, nobody gets any.
func TestHandlerWaitsForAllPools(t *testing.T) {
	h := Handler(fixed(false, somePools()...))
	for _, path := range []string{PathTraefik, PathEnvoy, PathPrometheus, PathPrometheus + "/api"} {
		got := ask(h, http.MethodGet, path, "")
		if got.code != 503 || !strings.Contains(got.body, "not all pools are known yet") || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, got.code, got.body)
		}
	}
	if got := ask(h, http.MethodPost, PathDiscovery, "{}"); got.code != 503 {
		t.Errorf("discovery: %d %s", got.code, got.body)
	}
}

func TestDiscovery(t *testing.T) {
	h := Handler(fixed(true, somePools()...))
	all, api := string(Envoy(somePools())), string(Envoy(somePools()[1:2]))
	version := envoyResponse(somePools()[1:2]).VersionInfo
	for name, tt := range map[string]struct {
		body string
		code int
		want string
	}{
		"all":          {`{}`, 200, all},
		"one":          {`{"node":{"id":"e1","cluster":"c"},"resource_names":["api"],"type_url":"` + EndpointType + `"}`, 200, api},
		"camel case":   {`{"resourceNames":["api"]}`, 200, api},
		"some unknown": {`{"resource_names":["api","none"]}`, 200, api},
		"all unknown":  {`{"resource_names":["none"]}`, 200, string(Envoy(nil))},
		"old version":  {`{"version_info":"x","resource_names":["api"]}`, 200, api},
		"the latest":   {`{"version_info":"` + version + `","resource_names":["api"]}`, 304, ""},
		"of others":    {`{"version_info":"` + version + `"}`, 200, all},
		"another type": {`{"type_url":"type.googleapis.com/envoy.config.cluster.v3.Cluster"}`, 400, "only endpoints are served here: " + EndpointType + "\n"},
		"too large":    {`{"x":"` + strings.Repeat("x", maxRequest) + `"}`, 400, "not a DiscoveryRequest: http: request body too large\n"},
		"no JSON":      {"", 400, "not a DiscoveryRequest: unexpected end of JSON input\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(h, http.MethodPost, PathDiscovery, tt.body); got.code != tt.code || got.body != tt.want {
				t.Errorf("%d %s\nwant %d %s", got.code, got.body, tt.code, tt.want)
			}
		})
	}
	if got := ask(h, http.MethodGet, PathDiscovery, ""); got.code != 405 {
		t.Errorf("GET: %d", got.code)
	}
}
