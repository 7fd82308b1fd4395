package main

import (
	"fmt"
	"net/http"
	"strings"

	"rollcall/lbsync"
	"rollcall/metrics"
)

// lbsyncHandler serves /metrics, /livez and /readyz of an lbsync process.
func lbsyncHandler(stats func() lbsync.Stats, version string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler(metrics.NewRegistry(version, metrics.NewLbsyncCollector(stats))))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		lines, ready := lbsyncReadiness(stats())
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if !ready || r.URL.Query().Has("verbose") {
			fmt.Fprint(w, lines)
		}
		if ready {
			fmt.Fprintln(w, "ok")
		}
	})
	return mux
}

// lbsyncReadiness says in words what is missing. A registry that is away does not count: the balancers go on with what
// they have, and taking lbsync away would help nobody.
func lbsyncReadiness(stats lbsync.Stats) (lines string, ready bool) {
	var out strings.Builder
	ready = true
	for _, t := range stats.Targets {
		switch {
		case t.InSync:
			fmt.Fprintf(&out, "[+]%s ok\n", t.Config)
		case t.LastSuccess.IsZero():
			fmt.Fprintf(&out, "[-]%s failed: not applied yet\n", t.Config)
		default:
			fmt.Fprintf(&out, "[-]%s failed: not in sync since %s\n", t.Config, t.LastSuccess.UTC().Format("15:04:05Z"))
		}
		ready = ready && t.InSync
	}
	if stats.Registry.Reachable {
		out.WriteString("[+]registry ok\n")
	} else {
		out.WriteString("[?]registry does not answer; the balancers keep what they have\n")
	}
	return out.String(), ready
}
