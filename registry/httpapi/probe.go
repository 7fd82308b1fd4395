package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Check is one condition of /livez or /readyz.
type Check struct {
	Name string
	Fail func() error // nil when all is well; called for each probe, so it must be quick
}

// probe serves a list of checks, or the one that the path names, in the format of
// etcd and Kubernetes: 200 and "ok", or 503 and a line for each check; with the
// parameter verbose always the lines, with exclude=NAME without that check.
func probe(checks []Check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		only := chi.URLParam(r, "check")
		query := r.URL.Query()
		var lines strings.Builder
		known, failed := only == "", false
		for _, c := range checks {
			if only != "" && c.Name != only || slices.Contains(query["exclude"], c.Name) {
				continue
			}
			known = true
			if err := c.Fail(); err != nil {
				failed = true
				fmt.Fprintf(&lines, "[-]%s failed: %v\n", c.Name, err)
			} else {
				fmt.Fprintf(&lines, "[+]%s ok\n", c.Name)
			}
		}
		switch {
		case !known:
			http.NotFound(w, r)
		case failed:
			writeText(w, http.StatusServiceUnavailable, lines.String())
		case query.Has("verbose"):
			writeText(w, http.StatusOK, lines.String()+"ok\n")
		default:
			writeText(w, http.StatusOK, "ok\n")
		}
	}
}
