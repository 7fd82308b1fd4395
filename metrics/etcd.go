package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/registry"
)

// Etcd counts under the names that etcd 3.4 has for its v2 store, so that dashboards made for etcd keep working. Its Wrap
// fits httpapi.Options.Instrument.
type Etcd struct {
	stats func() registry.Stats

	reads, received, failed *prometheus.CounterVec
	successful              *prometheus.HistogramVec

	writes *prometheus.Desc
	rows   []row[registry.Stats]
}

// NewEtcd returns an Etcd that calls stats for each scrape and has yet to be registered.
func NewEtcd(stats func() registry.Stats) *Etcd {
	e := &Etcd{
		stats: stats,
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_debugging_store_reads_total",
			Help: "Total number of reads action by (get/getRecursive), local to this member.",
		}, []string{"action"}),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_http_received_total",
			Help: "Counter of requests received into the system (successfully parsed and authd).",
		}, []string{"method"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_http_failed_total",
			Help: "Counter of handle failures of requests (non-watches), by method (GET/PUT etc.) and code (400, 500 etc.).",
		}, []string{"method", "code"}),
		successful: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "etcd_http_successful_duration_seconds",
			Help:    "Bucketed histogram of processing time (s) of successfully handled requests (non-watches), by method (GET/PUT etc.).",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13),
		}, []string{"method"}),
		writes: prometheus.NewDesc("etcd_debugging_store_writes_total",
			"Total number of writes (e.g. set/compareAndDelete) seen by this member.", []string{"action"}, nil),
		rows: []row[registry.Stats]{
			newRow(prometheus.CounterValue, "etcd_debugging_store_expires_total", "Total number of expired keys.",
				func(s registry.Stats) float64 { return float64(s.Expirations) }),
			newRow(prometheus.CounterValue, "etcd_debugging_store_watch_requests_total", "Total number of incoming watch requests (new or reestablished).",
				func(s registry.Stats) float64 { return float64(s.Watches) }),
			newRow(prometheus.GaugeValue, "etcd_debugging_store_watchers", "Count of currently active watchers.",
				func(s registry.Stats) float64 { return float64(s.Watchers) }),
		},
	}
	for _, action := range []string{"get", "getRecursive"} {
		e.reads.WithLabelValues(action)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		e.received.WithLabelValues(method)
		e.successful.WithLabelValues(method)
	}
	return e
}

// vectors are the series that are counted here.
func (e *Etcd) vectors() []prometheus.Collector {
	return []prometheus.Collector{e.reads, e.received, e.failed, e.successful}
}

// Describe implements [prometheus.Collector].
func (e *Etcd) Describe(ch chan<- *prometheus.Desc) {
	for _, v := range e.vectors() {
		v.Describe(ch)
	}
	ch <- e.writes
	for _, r := range e.rows {
		ch <- r.desc
	}
}

// Collect implements [prometheus.Collector]. As in etcd a write counts whether it succeeds or not.
func (e *Etcd) Collect(ch chan<- prometheus.Metric) {
	for _, v := range e.vectors() {
		v.Collect(ch)
	}
	s := e.stats()
	for action, n := range s.Operations {
		if a := registry.Action(action); a != registry.Get && a != registry.Expire {
			ch <- prometheus.MustNewConstMetric(e.writes, prometheus.CounterValue, float64(n.Success+n.Fail), a.String())
		}
	}
	for _, r := range e.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(s))
	}
}

// Wrap counts the requests of the keys route and leaves the others alone. Watches have a route of their own.
func (e *Etcd) Wrap(route string, next http.Handler) http.Handler {
	if route != "/v2/keys/*" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(sw, r)
		e.count(r, sw.code, time.Since(start))
	})
}

// count leaves out what etcd does not count as received: requests that cannot be read, or are none on keys.
func (e *Etcd) count(r *http.Request, code int, took time.Duration) {
	method := methodLabel(r.Method)
	switch code {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return
	}
	e.received.WithLabelValues(method).Inc()
	if r.Method == http.MethodGet {
		e.reads.WithLabelValues(readAction(r)).Inc()
	}
	if code >= http.StatusBadRequest {
		e.failed.WithLabelValues(method, strconv.Itoa(code)).Inc()
		return
	}
	e.successful.WithLabelValues(method).Observe(took.Seconds())
}

func readAction(r *http.Request) string {
	if r.URL.Query().Get("recursive") == "true" {
		return "getRecursive"
	}
	return "get"
}
