package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"rollcall/registry"
)

// routesOf answers a request and returns which routes it was counted under.
func routesOf(method, target string) (routes []string, code int) {
	h := New(registry.New(registry.Options{}), Options{
		Instrument: func(route string, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				routes = append(routes, route)
				next.ServeHTTP(w, r)
			})
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // else a watch would wait
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, target, http.NoBody))
	return routes, w.Code
}

// Each request is counted once, refused ones too, and what waits apart from what does not.
func TestRequestsAreCountedByRoute(t *testing.T) {
	for _, tt := range []struct {
		method, target string
		code           int
		route          string
	}{
		{"GET", "/v2/keys/a?wait=true", 200, watchRoute},
		{"GET", "/v2/keys/a?recursive=true&wait=true&stream=true", 200, watchRoute},
		{"GET", "/v2/keys/a?wait=true&waitIndex=1", 200, watchRoute},
		{"GET", "/v2/keys/?wait=true&recursive=true", 200, watchRoute},
		{"GET", "/v2/keys?wait=true", 200, watchRoute},
		{"GET", "/v2/keys/a%2Fb?wait=true", 200, watchRoute},
		{"GET", "/v2/keys/a", 404, keysRoute},
		{"GET", "/v2/keys", 200, keysRoute},
		{"GET", "/v2/keys/a%2Fb", 404, keysRoute},
		{"GET", "/v2/keys/a?wait=false", 404, keysRoute},
		{"GET", "/v2/keys/a?wait=", 400, keysRoute},
		{"GET", "/v2/keys/a?await=1", 404, keysRoute},
		{"GET", "/v2/keys/a?await=true", 404, keysRoute},
		{"GET", "/v2/keys/wait=true", 404, keysRoute},
		{"HEAD", "/v2/keys/a?wait=true", 400, keysRoute},
		{"PUT", "/v2/keys/a?wait=true", 400, keysRoute},
		{"PUT", "/v2/keys/a", 201, keysRoute},
		{"POST", "/v2/keys/a", 201, keysRoute},
		{"DELETE", "/v2/keys/a", 404, keysRoute},
		{"PATCH", "/v2/keys/a", 405, keysRoute},
		{"BREW", "/v2/keys/a?wait=true", 405, keysRoute},
		{"PUT", "/version", 405, "/version"},
		{"GET", "/v2/members/leader", 200, "/v2/members/*"},
		{"GET", "/nothing", 404, otherRoute},
		{"PUT", "/v2/keyss", 404, otherRoute},
	} {
		routes, code := routesOf(tt.method, tt.target)
		if code != tt.code || len(routes) != 1 || routes[0] != tt.route {
			t.Errorf("%s %s: %d, counted under %q; want %d under %q", tt.method, tt.target, code, routes, tt.code, tt.route)
		}
	}
}
