package feed

import (
	"strconv"

	"rollcall/lbsync"
)

// metaLabel begins our labels. Prometheus drops labels that begin with __ after relabelling, and promises "__meta_" to
// discoveries.
const metaLabel = "__meta_rollcall_"

// targetGroup is what Prometheus reads by http_sd_configs: https://prometheus.io/docs/prometheus/latest/http_sd/.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// Prometheus returns the servers of the pools as target groups, one for each set of labels. All servers are there, also
// those that drain or are down: what to watch is for relabelling to say, by __meta_rollcall_state. Further labels are
// _service, _backup ("true" or "false") and, where the entry has them, _zone and _instance_id.
func Prometheus(pools []lbsync.Pool) []byte {
	groups := []targetGroup{}
	for _, p := range byName(pools) {
		places := map[labelSet]int{} // of the groups of this service
		for _, s := range p.Servers {
			set := labelSet{state: s.State, backup: s.Backup, zone: s.Zone, instance: s.InstanceID}
			i, ok := places[set]
			if !ok {
				i = len(groups)
				places[set] = i
				groups = append(groups, targetGroup{Labels: set.labels(p.Name)})
			}
			groups[i].Targets = append(groups[i].Targets, s.Addr.String())
		}
	}
	return encode(groups)
}

// labelSet is what tells a service's groups apart.
type labelSet struct {
	state          lbsync.State
	backup         bool
	zone, instance string
}

func (l labelSet) labels(service string) map[string]string {
	labels := map[string]string{
		metaLabel + "service": service,
		metaLabel + "state":   string(l.state),
		metaLabel + "backup":  strconv.FormatBool(l.backup),
	}
	if l.zone != "" {
		labels[metaLabel+"zone"] = l.zone
	}
	if l.instance != "" {
		labels[metaLabel+"instance_id"] = l.instance
	}
	return labels
}
