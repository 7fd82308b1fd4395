package metrics

import (
	"testing"

	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// Every limit has its series, with the figure of just that limit.
func TestLimitFigures(t *testing.T) {
	store := func() registry.Stats {
		s := registry.Stats{}
		for l := range s.Refusals {
			s.Refusals[l] = uint64(l)
		}
		return s
	}
	guard := func() httpapi.GuardStats {
		return httpapi.GuardStats{Connections: 20, Evicted: 21, Refusals: [3]uint64{10, 11, 12}}
	}
	wantFigures(t, NewLimitsCollector(store, guard), `rollcall_http_connections 20
rollcall_http_connections_evicted_total 21
rollcall_limit_refusals_total{limit="bytes"} 5
rollcall_limit_refusals_total{limit="connections"} 12
rollcall_limit_refusals_total{limit="depth"} 3
rollcall_limit_refusals_total{limit="entries"} 4
rollcall_limit_refusals_total{limit="key"} 2
rollcall_limit_refusals_total{limit="rate"} 10
rollcall_limit_refusals_total{limit="removals"} 6
rollcall_limit_refusals_total{limit="value"} 1
rollcall_limit_refusals_total{limit="watches"} 7
rollcall_limit_refusals_total{limit="watches_per_client"} 11
`)
}
