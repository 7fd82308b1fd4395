// Package metrics exposes what the other packages count, in Prometheus' format.
//
// It keeps no second count: a collector reads a package's Stats when it is scraped.
// The one exception is [HTTP], which measures requests on their way through.
// All names begin with rollcall_; docs/metrics.md lists every series.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry returns a registry with the collectors given and those of the Go
// runtime and the process. Version labels rollcall_build_info.
func NewRegistry(version string, cs ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "rollcall_build_info",
			Help:        "1, labelled with the version of the program.",
			ConstLabels: prometheus.Labels{"version": version},
		}, func() float64 { return 1 }),
	)
	r.MustRegister(cs...)
	return r
}

// Handler serves a registry at /metrics.
func Handler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{Registry: r})
}
