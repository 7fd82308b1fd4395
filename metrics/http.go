package metrics

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// HTTP counts and times requests by route, method and code. Its Wrap fits
// httpapi.Options.Instrument.
type HTTP struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
}

// NewHTTP returns an HTTP that has yet to be registered.
func NewHTTP() *HTTP {
	return &HTTP{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_http_requests_total",
			Help: "Requests answered, by route, method and status code.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                           "rollcall_http_request_duration_seconds",
			Help:                           "Time from the request's header to the end of its answer. Watches have a route of their own.",
			Buckets:                        []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 100,
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_http_requests_in_flight",
			Help: "Requests being served now, watches included.",
		}, []string{"route"}),
	}
}

// Describe implements [prometheus.Collector].
func (m *HTTP) Describe(ch chan<- *prometheus.Desc) {
	m.requests.Describe(ch)
	m.duration.Describe(ch)
	m.inFlight.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (m *HTTP) Collect(ch chan<- prometheus.Metric) {
	m.requests.Collect(ch)
	m.duration.Collect(ch)
	m.inFlight.Collect(ch)
}

// Wrap measures the requests of one route. The route is a label: it must be one of
// the program's own patterns, never a request's path.
func (m *HTTP) Wrap(route string, next http.Handler) http.Handler {
	rt := &measuredRoute{metrics: m, route: route}
	rt.series.Store(&map[outcome]series{})
	inFlight := m.inFlight.WithLabelValues(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		inFlight.Inc()
		defer inFlight.Dec()
		sw := statusWriters.Get().(*statusWriter)
		sw.ResponseWriter, sw.code = w, http.StatusOK
		next.ServeHTTP(sw, r)
		s := rt.find(outcome{r.Method, sw.code})
		sw.ResponseWriter = nil
		statusWriters.Put(sw)
		s.requests.Inc()
		s.duration.Observe(time.Since(start).Seconds())
	})
}

// outcome is what a route's requests are told apart by.
type outcome struct {
	method string
	code   int
}

// series are the metrics of one outcome, looked up once.
type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

// measuredRoute finds the series of a route's outcomes. There are few of them, so
// the map is copied when a new one is seen and read without a lock.
type measuredRoute struct {
	metrics *HTTP
	route   string
	mu      sync.Mutex
	series  atomic.Pointer[map[outcome]series]
}

func (rt *measuredRoute) find(o outcome) series {
	if s, ok := (*rt.series.Load())[o]; ok {
		return s
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	known := maps.Clone(*rt.series.Load())
	method := methodLabel(o.method)
	s := series{
		requests: rt.metrics.requests.WithLabelValues(rt.route, method, strconv.Itoa(o.code)),
		duration: rt.metrics.duration.WithLabelValues(rt.route, method),
	}
	if method == o.method { // else a client could grow the map by inventing methods
		known[o] = s
		rt.series.Store(&known)
	}
	return s
}

// methodLabel bounds the label's values.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete:
		return method
	default:
		return "other"
	}
}

// statusWriter remembers the status code of an answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

var statusWriters = sync.Pool{New: func() any { return new(statusWriter) }}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
