package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
)

func handle(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The status arrives as it is, as one line.
func TestStatusRequest(t *testing.T) {
	t.Parallel()
	h := lbsyncHandler(fakeState{status: someStatus()}, "v1")
	w := handle(h, http.MethodGet, "/status")
	var got lbsync.Status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || strings.Count(w.Body.String(), "\n") != 1 {
		t.Fatalf("%v\n%s", err, w.Body)
	}
	want, _ := json.Marshal(someStatus())
	again, _ := json.Marshal(got)
	if diff := cmp.Diff(string(want), string(again)); diff != "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", w.Header(), diff)
	}

	w = handle(h, http.MethodGet, "/status?service=api")
	got = lbsync.Status{}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Services) != 1 || got.Services[0].Name != "api" || len(got.Targets) != 1 || got.Targets[0].Kind != "haproxy" {
		t.Errorf("of one service: %+v", got)
	}
	if w := handle(h, http.MethodGet, "/status?service=none"); w.Code != 404 || w.Body.String() != "no service \"none\"\n" {
		t.Errorf("of none: %d %s", w.Code, w.Body)
	}
}

// Only programs may release hosts: not a page in a browser, not a link.
func TestReleaseRequest(t *testing.T) {
	t.Parallel()
	h := lbsyncHandler(fakeState{held: map[string]int{"api": 2}}, "v1")
	const path = "/v1/services/api/release"
	for name, tt := range map[string]struct {
		method, path string
		headers      []string
		code         int
		body         string
	}{
		"program":        {http.MethodPost, path, nil, 200, `{"released":2}` + "\n"},
		"unknown":        {http.MethodPost, "/v1/services/none/release", nil, 404, "release \"none\": no such service\n"},
		"link":           {http.MethodGet, path, nil, 405, "Method Not Allowed\n"},
		"another origin": {http.MethodPost, path, []string{"Origin", "http://evil.example"}, 403, "requests of browsers are refused\n"},
		"own origin":     {http.MethodPost, path, []string{"Origin", "http://example.com"}, 403, "requests of browsers are refused\n"},
		"opaque origin":  {http.MethodPost, path, []string{"Origin", "null"}, 403, "requests of browsers are refused\n"},
		"cross site":     {http.MethodPost, path, []string{"Sec-Fetch-Site", "cross-site"}, 403, "requests of browsers are refused\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if w := handle(h, tt.method, tt.path, tt.headers...); w.Code != tt.code || w.Body.String() != tt.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.code, tt.body)
			}
		})
	}
}

func TestFeedsOfLbsync(t *testing.T) {
	t.Parallel()
	pools := []lbsync.Pool{{Name: "api", Servers: []lbsync.Server{{Addr: addrPort("10.0.0.1:80"), State: lbsync.Up, Weight: 1}}}}
	h := lbsyncHandler(fakeState{pools: pools, known: true}, "v1")
	for path, method := range map[string]string{
		"/feeds/traefik.json": http.MethodGet, "/feeds/eds.json": http.MethodGet, "/feeds/prometheus": http.MethodGet,
		"/feeds/prometheus/api": http.MethodGet,
	} {
		if w := handle(h, method, path); w.Code != 200 || !strings.Contains(w.Body.String(), "10.0.0.1") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/v3/discovery:endpoints", strings.NewReader("{}"))
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 200 || !strings.Contains(w.Body.String(), "10.0.0.1") {
		t.Errorf("discovery: %d %s", w.Code, w.Body)
	}
	unknown := lbsyncHandler(fakeState{pools: pools}, "v1")
	if w := handle(unknown, http.MethodGet, "/feeds/prometheus"); w.Code != 503 {
		t.Errorf("while not known: %d", w.Code)
	}
}
