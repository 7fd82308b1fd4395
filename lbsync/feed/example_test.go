package feed_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"rollcall/lbsync"
	"rollcall/lbsync/feed"
)

// Prometheus asks for the targets of one service.
func ExampleHandler() {
	frontends := lbsync.Pool{Name: "frontends", Servers: []lbsync.Server{
		{Addr: netip.MustParseAddrPort("10.0.1.1:8080"), State: lbsync.Up, Weight: lbsync.DefaultWeight},
		{Addr: netip.MustParseAddrPort("10.0.1.2:8080"), State: lbsync.Up, Weight: lbsync.DefaultWeight},
	}}
	pools := func() (all []lbsync.Pool, known bool) { return []lbsync.Pool{frontends}, true }

	w := httptest.NewRecorder()
	feed.Handler(pools).ServeHTTP(w, httptest.NewRequest(http.MethodGet, feed.PathPrometheus+"/frontends", http.NoBody))
	text, _ := io.ReadAll(w.Body)
	fmt.Printf("%d %s", w.Code, text)
	// Output: 200 [{"targets":["10.0.1.1:8080","10.0.1.2:8080"],"labels":{"__meta_rollcall_backup":"false","__meta_rollcall_service":"frontends","__meta_rollcall_state":"up"}}]
}
