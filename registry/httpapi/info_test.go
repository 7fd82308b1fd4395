package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"rollcall/registry"
)

func TestProbes(t *testing.T) {
	sick := errors.New("still starting")
	h := New(registry.New(registry.Options{}), Options{
		Live: []Check{{"store", func() error { return nil }}},
		Ready: []Check{
			{"store", func() error { return nil }},
			{"sync", func() error { return sick }},
		},
	})
	for _, tt := range []struct {
		target string
		status int
		body   string
	}{
		{"/livez", 200, "ok\n"},
		{"/livez?verbose", 200, "[+]store ok\nok\n"},
		{"/readyz", 503, "[+]store ok\n[-]sync failed: still starting\n"},
		{"/readyz?exclude=sync", 200, "ok\n"},
		{"/readyz/store", 200, "ok\n"},
		{"/readyz/sync", 503, "[-]sync failed: still starting\n"},
		{"/readyz/nothing", 404, "404 page not found\n"},
	} {
		if w := call(h, "GET", tt.target, ""); w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.target, w.Code, w.Body, tt.status, tt.body)
		}
	}
	if w := call(h, "POST", "/readyz", ""); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestMembersShowTheNode(t *testing.T) {
	h := New(registry.New(registry.Options{}), Options{
		Name: "dot", ClientURLs: []string{"http://10.0.0.1:4001", "http://[::1]:4001"}, Version: "v1",
	})
	id := hashID("node dot")
	self := `{"id":"` + id + `","name":"dot","peerURLs":[],"clientURLs":["http://10.0.0.1:4001","http://[::1]:4001"]}`
	wantBodies(t, h, map[string]string{
		"/v2/machines":       "http://10.0.0.1:4001, http://[::1]:4001",
		"/v2/members":        `{"members":[` + self + `]}`,
		"/v2/members/":       `{"members":[` + self + `]}`,
		"/v2/members/leader": self,
		"/v2/members/other":  `{"message":"Not found"}`,
		"/v2/stats/leader":   `{"message":"not current leader"}`,
		"/version":           `{"etcdserver":"2.3.8","etcdcluster":"2.3.0","rollcall":"v1"}`,
		"/health":            `{"health":"true"}`,
	})
}

// The other nodes follow the one that answers, in the order in which they are given.
func TestMembersShowTheOthers(t *testing.T) {
	others := []Member{
		{Name: "dart", ClientURLs: []string{"http://10.0.0.3:4001", "http://[::3]:4001"}, PeerURLs: []string{"http://10.0.0.3:7946"}},
		{Name: "dash"}, // has not told its URLs
	}
	h := New(registry.New(registry.Options{}), Options{
		Name: "dot", ClientURLs: []string{"http://10.0.0.9:4001"}, PeerURLs: []string{"http://10.0.0.9:7946"},
		Members: func() []Member { return others },
	})
	self := `{"id":"` + hashID("node dot") + `","name":"dot","peerURLs":["http://10.0.0.9:7946"],"clientURLs":["http://10.0.0.9:4001"]}`
	dart := `{"id":"` + hashID("node dart") + `","name":"dart","peerURLs":["http://10.0.0.3:7946"],` +
		`"clientURLs":["http://10.0.0.3:4001","http://[::3]:4001"]}`
	dash := `{"id":"` + hashID("node dash") + `","name":"dash","peerURLs":[],"clientURLs":[]}`
	wantBodies(t, h, map[string]string{
		"/v2/machines":       "http://10.0.0.9:4001, http://10.0.0.3:4001, http://[::3]:4001",
		"/v2/members":        `{"members":[` + self + `,` + dart + `,` + dash + `]}`,
		"/v2/members/leader": self,
	})
	others = nil
	wantBodies(t, h, map[string]string{
		"/v2/machines": "http://10.0.0.9:4001",
		"/v2/members":  `{"members":[` + self + `]}`,
	})
}

func wantBodies(t *testing.T, h http.Handler, bodies map[string]string) {
	t.Helper()
	for target, want := range bodies {
		if got := strings.TrimSpace(call(h, "GET", target, "").Body.String()); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

// A node that cannot answer for keys yet says so to each request for them, does nothing,
// and answers for itself as always.
func TestRefuse(t *testing.T) {
	store := registry.New(registry.Options{})
	unready := errors.New("2 of 3 peers have not answered yet")
	h := New(store, Options{Name: "dot", Refuse: func() error { return unready }})
	index := strconv.FormatUint(store.Index(), 10)
	want := `{"errorCode":301,"message":"During Leader Election","cause":"2 of 3 peers have not answered yet","index":` + index + "}\n"
	for _, tt := range []struct{ method, target, form string }{
		{"GET", "/v2/keys/", ""},
		{"HEAD", "/v2/keys", ""},
		{"GET", "/v2/keys/a?quorum=true", ""},
		{"GET", "/v2/keys/a?wait=true&stream=true", ""},
		{"GET", "/v2/keys/a?wait=nonsense", ""},
		{"PUT", "/v2/keys/a", "value=1"},
		{"PUT", "/v2/keys/a?prevExist=false", "value=1"},
		{"POST", "/v2/keys/q", "value=1"},
		{"DELETE", "/v2/keys/a", ""},
	} {
		w := call(h, tt.method, tt.target, tt.form)
		if w.Code != http.StatusServiceUnavailable || w.Body.String() != want {
			t.Errorf("%s %s: %d %s, want 503 %s", tt.method, tt.target, w.Code, w.Body, want)
		}
		if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Etcd-Index") != index {
			t.Errorf("%s %s: headers %v", tt.method, tt.target, w.Header())
		}
	}
	if got := store.Stats(); got.Files+got.Dirs+got.Watchers != 0 {
		t.Errorf("something was done: %+v", got)
	}
	for _, target := range []string{"/v2/machines", "/v2/members", "/v2/stats/store", "/version", "/livez"} {
		if w := call(h, "GET", target, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := call(h, "GET", "/health", ""); w.Code != http.StatusServiceUnavailable || w.Body.String() != `{"health":"false"}` {
		t.Errorf("/health: %d %s", w.Code, w.Body)
	}
	if w := call(h, "PATCH", "/v2/keys/a", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("PATCH: %d", w.Code)
	}
	unready = nil
	if w := call(h, "PUT", "/v2/keys/a", "value=1"); w.Code != http.StatusCreated {
		t.Errorf("a node that is ready answers %d %s", w.Code, w.Body)
	}
	wantBodies(t, h, map[string]string{"/health": `{"health":"true"}`})
}

func TestStatsStoreCounts(t *testing.T) {
	h := New(registry.New(registry.Options{}), Options{})
	call(h, "PUT", "/v2/keys/a", "value=1")
	call(h, "GET", "/v2/keys/a", "")
	call(h, "GET", "/v2/keys/b", "")
	call(h, "PUT", "/v2/keys/a?prevValue=2", "value=3")
	call(h, "DELETE", "/v2/keys/a", "")
	want := `{"getsSuccess":1,"getsFail":1,"setsSuccess":1,"setsFail":0,"deleteSuccess":1,"deleteFail":0,` +
		`"updateSuccess":0,"updateFail":0,"createSuccess":0,"createFail":0,"compareAndSwapSuccess":0,` +
		`"compareAndSwapFail":1,"compareAndDeleteSuccess":0,"compareAndDeleteFail":0,"expireCount":0,"watchers":0}`
	if got := call(h, "GET", "/v2/stats/store", "").Body.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
