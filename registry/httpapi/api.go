package httpapi

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"rollcall/registry"
)

// DefaultMaxBody is the default of [Options.MaxBody], in bytes.
const DefaultMaxBody = 1 << 20

// Options configure the handler. The zero value serves a nameless node.
type Options struct {
	// Name is the node's name, as in /v2/members.
	Name string
	// Cluster is the cluster's name; its hash is the X-Etcd-Cluster-Id.
	Cluster string
	// ClientURLs are where clients reach this node. Clients that ask /v2/machines
	// or /v2/members go on with these, so they must be reachable for them.
	ClientURLs []string
	// PeerURLs are where other nodes reach this node.
	PeerURLs []string
	// Members returns the other nodes that are alive now, as /v2/members and
	// /v2/machines show them after this one; nil if there are none.
	Members func() []Member
	// Version is the program's version, as in /version.
	Version string
	// MaxBody is the largest request body in bytes, 0 means [DefaultMaxBody].
	// A larger one is answered with status 413.
	MaxBody int64
	// Guard keeps the limits on rates, watches and connections of clients. Nil has none.
	Guard *Guard
	// Refuse returns why requests for keys cannot be answered yet, nil when they can:
	// half a directory is worse than none. It is called for each of them. Nil refuses none.
	Refuse func() error
	// Live and Ready are the checks behind /livez and /readyz.
	Live, Ready []Check
	// Extra are further routes, such as /metrics; they are not instrumented.
	Extra []Route
	// Instrument wraps the handler of each route, for metrics; nil does nothing.
	Instrument func(route string, next http.Handler) http.Handler

	watchWriteTimeout time.Duration // tests shorten it
}

// Member is another node of the cluster.
type Member struct {
	Name       string
	ClientURLs []string
	PeerURLs   []string
}

// Route is a handler and where it is served, in the router's pattern syntax.
type Route struct {
	Pattern string
	Handler http.Handler
}

// api holds what all handlers need. It is immutable.
type api struct {
	store     *registry.Store
	opts      Options
	id        string    // the node's id: a hash of its name
	clusterID []string  // as a header value
	started   time.Time // when the handler was made
}

// New returns the handler of a node's client port.
func New(store *registry.Store, o Options) http.Handler {
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.watchWriteTimeout == 0 {
		o.watchWriteTimeout = watchWriteTimeout
	}
	a := &api{
		store:     store,
		opts:      o,
		id:        hashID("node " + o.Name),
		clusterID: []string{hashID("cluster " + o.Cluster)},
		started:   time.Now(),
	}
	router := chi.NewRouter()
	router.Use(byPath)
	router.NotFound(a.instrument(otherRoute, http.NotFoundHandler()).ServeHTTP)
	for _, route := range append(a.routes(), o.Extra...) {
		router.Handle(route.Pattern, route.Handler)
	}
	return a.probesFirst(everyRequest(keysFirst(a.keysHandler(), router)))
}

// instrument wraps a handler for the metrics under a name for its route.
func (a *api) instrument(route string, h http.Handler) http.Handler {
	if a.opts.Instrument == nil {
		return h
	}
	return a.opts.Instrument(route, h)
}

// hashID makes a name into the 16 hexadecimal digits that etcd uses for ids.
func hashID(name string) string {
	h := fnv.New64a()
	h.Write([]byte(name))
	return fmt.Sprintf("%016x", h.Sum64())
}
