package httpapi

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

const (
	keysPath  = "/v2/keys"
	keysRoute = keysPath + "/*"

	// watchRoute is what metrics call the requests that wait: their duration tells
	// of the data, not of the server.
	watchRoute = keysRoute + " (watch)"

	// otherRoute is what metrics call the requests that no route is for.
	otherRoute = "other"
)

// keysMethods are the methods of the keys API in the order of etcd's Allow header.
var keysMethods = []string{"HEAD", "GET", "PUT", "POST", "DELETE"}

// routes is the table of all routes but those of the keys API, for which see keysFirst.
func (a *api) routes() []Route {
	row := func(pattern string, h http.HandlerFunc, methods ...string) Route {
		return Route{pattern, a.instrument(pattern, allow(h, methods...))}
	}
	return []Route{
		row("/v2/machines", a.machines, "GET", "HEAD"),
		row("/v2/members", a.members, "GET", "HEAD"),
		row("/v2/members/*", a.members, "GET", "HEAD"),
		row("/v2/stats/self", a.statsSelf, "GET"),
		row("/v2/stats/store", a.statsStore, "GET"),
		row("/v2/stats/leader", a.statsLeader, "GET"),
		row("/v1/backup", a.backup, "GET"),
		row("/version", a.version, "GET"),
		row("/health", a.health, "GET"),
		row("/livez", probe(a.opts.Live), "GET", "HEAD"),
		row("/livez/{check}", probe(a.opts.Live), "GET", "HEAD"),
		row("/readyz", probe(a.opts.Ready), "GET", "HEAD"),
		row("/readyz/{check}", probe(a.opts.Ready), "GET", "HEAD"),
	}
}

// keysHandler splits the keys API in two for the metrics: what answers at once and
// what waits. A request counts as waiting by its query, as clients send it: what
// comes in its body is not read yet.
func (a *api) keysHandler() http.Handler {
	now := a.instrument(keysRoute, allow(a.keys, keysMethods...))
	wait := a.instrument(watchRoute, allow(a.keys, keysMethods...))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && waits(r.URL.RawQuery) {
			wait.ServeHTTP(w, r)
			return
		}
		now.ServeHTTP(w, r)
	})
}

// waits tells whether a query asks to wait.
func waits(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(pair, "wait="); ok {
			b, err := strconv.ParseBool(value)
			return b && err == nil
		}
	}
	return false
}

// allow refuses other methods than the given.
func allow(h http.HandlerFunc, methods ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			methodNotAllowed(w, methods)
			return
		}
		h(w, r)
	}
}

func methodNotAllowed(w http.ResponseWriter, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ","))
	http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
}

// Headers that etcd puts on every answer with its default --cors='*', as values
// that all requests share.
var (
	corsHeaders = []string{"accept, content-type, authorization"}
	corsMethods = []string{"POST, GET, OPTIONS, PUT, DELETE"}
	corsOrigin  = []string{"*"}
)

// everyRequest adds the CORS headers, answers OPTIONS, and redirects unclean paths,
// as etcd does.
func everyRequest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Access-Control-Allow-Headers"] = corsHeaders
		h["Access-Control-Allow-Methods"] = corsMethods
		h["Access-Control-Allow-Origin"] = corsOrigin
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusOK)
			return
		}
		if r.URL.Path == "*" {
			http.Error(w, "Bad Request", http.StatusBadRequest)
			return
		}
		if clean := cleanPath(r.URL.Path); clean != r.URL.Path {
			to := url.URL{Path: clean, RawQuery: r.URL.RawQuery} // on this host, whatever the request names
			http.Redirect(w, r, to.String(), http.StatusMovedPermanently)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// keysFirst takes the requests of the keys API ahead of the router: nearly all are
// its, and its prefix is all that there is to route.
func keysFirst(keys, router http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, keysPath); ok && (rest == "" || rest[0] == '/') {
			keys.ServeHTTP(w, r)
			return
		}
		router.ServeHTTP(w, r)
	})
}

// byPath has the router go by path alone: unescaped, and also for methods that it has
// never heard of.
func byPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := chi.RouteContext(r.Context())
		route.RouteMethod, route.RoutePath = http.MethodGet, r.URL.Path
		next.ServeHTTP(w, r)
	})
}

// cleanPath is path.Clean for a URL's path: a trailing slash stays.
func cleanPath(p string) string {
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}
