package httpapi

import (
	"errors"
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
	for target, want := range map[string]string{
		"/v2/machines":       "http://10.0.0.1:4001, http://[::1]:4001",
		"/v2/members":        `{"members":[` + self + `]}`,
		"/v2/members/":       `{"members":[` + self + `]}`,
		"/v2/members/leader": self,
		"/v2/members/other":  `{"message":"Not found"}`,
		"/v2/stats/leader":   `{"message":"not current leader"}`,
		"/version":           `{"etcdserver":"2.3.8","etcdcluster":"2.3.0","rollcall":"v1"}`,
		"/health":            `{"health":"true"}`,
	} {
		if got := strings.TrimSpace(call(h, "GET", target, "").Body.String()); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
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
