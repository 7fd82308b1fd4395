package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/lbsync"
	"rollcall/lbsync/feed"
	"rollcall/metrics"
)

// lbsyncState is what an lbsync process tells about itself and lets operators do. It is safe for concurrent use.
type lbsyncState interface {
	Stats() lbsync.Stats
	Status() lbsync.Status
	// Release lets the held hosts of a service go and returns how many those are. An error means that there is no such
	// service.
	Release(service string) (int, error)
	// Pools returns the pools of all services, and whether all of them are known.
	Pools() (pools []lbsync.Pool, known bool)
}

// releasePath is where hosts of a service are released.
const releasePath = "/v1/services/{name}/release"

// lbsyncHandler serves what an lbsync process tells: /metrics, /livez, /readyz, /status and the feeds; and takes the one
// request that changes something.
func lbsyncHandler(state lbsyncState, version string, more ...prometheus.Collector) http.Handler {
	mux := http.NewServeMux()
	more = append(more, metrics.NewLbsyncCollector(state.Stats))
	mux.Handle("GET /metrics", metrics.Handler(metrics.NewRegistry(version, more...)))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { serveReadiness(w, r, state.Stats()) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { serveStatus(w, r, state.Status()) })
	mux.HandleFunc("POST "+releasePath, func(w http.ResponseWriter, r *http.Request) { serveRelease(w, r, state) })
	feeds := feed.Handler(state.Pools)
	mux.Handle("/feeds/", feeds)
	mux.Handle(feed.PathDiscovery, feeds)
	return mux
}

// refuseLbsyncClient answers who has to show another certificate, or one at all.
func refuseLbsyncClient(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusUnauthorized)
}

func serveReadiness(w http.ResponseWriter, r *http.Request, stats lbsync.Stats) {
	lines, ready := lbsyncReadiness(stats)
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if !ready || r.URL.Query().Has("verbose") {
		fmt.Fprint(w, lines)
	}
	if ready {
		fmt.Fprintln(w, "ok")
	}
}

// serveStatus answers with the whole status, or with that of one service and its targets: ?service=NAME.
func serveStatus(w http.ResponseWriter, r *http.Request, status lbsync.Status) {
	if name := r.URL.Query().Get("service"); name != "" {
		status = statusOf(status, name)
		if len(status.Services) == 0 {
			http.Error(w, fmt.Sprintf("no service %q", name), http.StatusNotFound)
			return
		}
	}
	writeJSON(w, status)
}

// serveRelease lets the held hosts of a service go. A page in a browser must not be able to do that, also not one that the
// browser believes to come from here: browsers send Origin with every POST, and programs do not.
func serveRelease(w http.ResponseWriter, r *http.Request, state lbsyncState) {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		http.Error(w, "requests of browsers are refused", http.StatusForbidden)
		return
	}
	name := r.PathValue("name")
	n, err := state.Release(name)
	if err != nil {
		http.Error(w, fmt.Sprintf("release %q: %v", name, err), http.StatusNotFound)
		return
	}
	writeJSON(w, released{Released: n})
}

// released is the answer to a release.
type released struct {
	Released int `json:"released"`
}

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(text, '\n')) // A client that has gone asks again.
}

// statusOf is the part of a status that is about one service.
func statusOf(status lbsync.Status, service string) lbsync.Status {
	part := status
	part.Services, part.Targets = nil, nil
	for _, s := range status.Services {
		if s.Name == service {
			part.Services = append(part.Services, s)
		}
	}
	for _, t := range status.Targets {
		if serves(t, service) {
			part.Targets = append(part.Targets, t)
		}
	}
	return part
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
