package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"rollcall/metrics"
	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// A node counts its requests by route and shows its store's figures when it is scraped.
func Example() {
	store := registry.New(registry.Options{})
	requests := metrics.NewHTTP()
	exposed := metrics.NewRegistry("v1.2.3", requests, metrics.NewRegistryCollector(store.Stats))
	node := httpapi.New(store, httpapi.Options{
		Instrument: requests.Wrap,
		Extra:      []httpapi.Route{{Pattern: "/metrics", Handler: metrics.Handler(exposed)}},
	})

	send := func(method, target string) string {
		answer := httptest.NewRecorder()
		node.ServeHTTP(answer, httptest.NewRequest(method, target, http.NoBody))
		return answer.Body.String()
	}
	send("PUT", "/v2/keys/frontends/fe1?value=10.0.1.1")
	send("PUT", "/v2/keys/frontends/fe2?value=10.0.1.2")
	send("GET", "/v2/keys/frontends/fe3")
	for line := range strings.Lines(send("GET", "/metrics")) {
		for _, name := range []string{"rollcall_build_info", "rollcall_entries", "rollcall_http_requests_total"} {
			if strings.HasPrefix(line, name) {
				fmt.Print(line)
			}
		}
	}

	// Output:
	// rollcall_build_info{version="v1.2.3"} 1
	// rollcall_entries 2
	// rollcall_http_requests_total{code="201",method="PUT",route="/v2/keys/*"} 2
	// rollcall_http_requests_total{code="404",method="GET",route="/v2/keys/*"} 1
}
