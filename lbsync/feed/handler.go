package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"rollcall/lbsync"
)

// Where the feeds are. PathPrometheus has all services; a service's name may follow after a slash.
const (
	PathTraefik    = "/feeds/traefik.json"
	PathEnvoy      = "/feeds/eds.json"
	PathPrometheus = "/feeds/prometheus"
	PathDiscovery  = "/v3/discovery:endpoints"
)

const (
	// maxRequest is far above what Envoy says about itself in a request.
	maxRequest = 1 << 20
	// unknownYet is the answer while a pool is not known: half a list would take servers out.
	unknownYet = "not all pools are known yet: the registry has not answered since lbsync started; try again"
)

// Handler serves all feeds. pools returns the pools of all services and whether all of them are known; it is called for
// each request, from any goroutine, and what it returns is only read.
//
// GET and HEAD carry an ETag and understand If-None-Match. While a pool is not known everything is 503.
func Handler(pools func() (all []lbsync.Pool, known bool)) http.Handler {
	mux := http.NewServeMux()
	get := func(path string, feed func([]lbsync.Pool) []byte) {
		mux.HandleFunc("GET "+path, whenKnown(pools, func(w http.ResponseWriter, r *http.Request, all []lbsync.Pool) {
			if name := r.PathValue("service"); name != "" {
				if all = named(all, name); len(all) == 0 {
					http.Error(w, fmt.Sprintf("no service %q", name), http.StatusNotFound)
					return
				}
			}
			Serve(w, r, feed(all))
		}))
	}
	get(PathTraefik, Traefik)
	get(PathEnvoy, Envoy)
	get(PathPrometheus, Prometheus)
	get(PathPrometheus+"/{service}", Prometheus)
	mux.HandleFunc("POST "+PathDiscovery, whenKnown(pools, discover))
	return mux
}

// whenKnown calls next with the pools once all are known.
func whenKnown(
	pools func() ([]lbsync.Pool, bool), next func(http.ResponseWriter, *http.Request, []lbsync.Pool),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all, known := pools()
		if !known {
			w.Header().Set("Retry-After", "1")
			http.Error(w, unknownYet, http.StatusServiceUnavailable)
			return
		}
		next(w, r, all)
	}
}

// Serve answers a GET or HEAD with a feed.
func Serve(w http.ResponseWriter, r *http.Request, text []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache")
	h.Set("Etag", `"`+hash(text)+`"`)
	r.Header.Del("Range") // A part of a list is what nobody should get.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// discoveryRequest is what of Envoy's DiscoveryRequest counts here. Envoy writes the names of the protocol buffers; the
// camel case that other programs write would otherwise ask for all.
type discoveryRequest struct {
	VersionInfo   string   `json:"version_info"`
	ResourceNames []string `json:"resource_names"`
	CamelNames    []string `json:"resourceNames"`
	TypeURL       string   `json:"type_url"`
}

// discover answers Envoy's poll: with the clusters that it names, or all when it names none. A name that no service has is
// left out, which Envoy takes as "nothing new". 304 answers a poll that has the latest version; Envoy's
// source/common/http/rest_api_fetcher.cc takes that for a success without a change.
func discover(w http.ResponseWriter, r *http.Request, all []lbsync.Pool) {
	var ask discoveryRequest
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, &ask)
	}
	switch {
	case err != nil:
		http.Error(w, "not a DiscoveryRequest: "+err.Error(), http.StatusBadRequest)
		return
	case ask.TypeURL != "" && ask.TypeURL != EndpointType:
		http.Error(w, "only endpoints are served here: "+EndpointType, http.StatusBadRequest)
		return
	}
	if names := slices.Concat(ask.ResourceNames, ask.CamelNames); len(names) > 0 {
		all = named(all, names...)
	}
	response := envoyResponse(all)
	if response.VersionInfo == ask.VersionInfo {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(response)) // A poller that has gone asks again.
}

// named returns the pools of the given names.
func named(pools []lbsync.Pool, names ...string) []lbsync.Pool {
	var out []lbsync.Pool
	for _, p := range pools {
		if slices.Contains(names, p.Name) {
			out = append(out, p)
		}
	}
	return out
}
