package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/registry/disk"
)

// Disk collects the figures of a node's data directory.
type Disk struct {
	commits prometheus.Histogram
	stats   func() disk.Stats
	rows    []row[disk.Stats]
}

// NewDisk returns a Disk that has yet to be registered, and to be given a directory by Watch.
func NewDisk() *Disk {
	return &Disk{
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                           "rollcall_disk_commit_duration_seconds",
			Help:                           "Time of the commits that were synced to disk; writes without a TTL wait for one, several for the same.",
			Buckets:                        []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 100,
		}),
		rows: []row[disk.Stats]{
			newRow(prometheus.GaugeValue, "rollcall_disk_healthy", "Whether the disk takes writes: 1, or 0 while it refuses them, hangs, or is lost until the next start.",
				func(s disk.Stats) float64 { return boolean(s.Err == nil) }),
			newRow(prometheus.GaugeValue, "rollcall_disk_bytes", "Size of the journal on disk.",
				func(s disk.Stats) float64 { return float64(s.Bytes) }),
		},
	}
}

// Observe takes the time of one synced commit. It fits disk.Options.ObserveCommit.
func (d *Disk) Observe(took time.Duration) { d.commits.Observe(took.Seconds()) }

// Watch has stats called for each scrape. Call it once, before the first.
func (d *Disk) Watch(stats func() disk.Stats) { d.stats = stats }

// Describe implements [prometheus.Collector].
func (d *Disk) Describe(ch chan<- *prometheus.Desc) {
	d.commits.Describe(ch)
	for _, r := range d.rows {
		ch <- r.desc
	}
}

// Collect implements [prometheus.Collector].
func (d *Disk) Collect(ch chan<- prometheus.Metric) {
	d.commits.Collect(ch)
	s := d.stats()
	for _, r := range d.rows {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, r.value(s))
	}
}
