package feed

import (
	"cmp"
	"slices"

	"rollcall/lbsync"
)

// EndpointType is the type of what [Envoy] returns, as Envoy names it.
const EndpointType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"

// Envoy's messages in their JSON form with the names of the protocol buffers, which Envoy reads as it does camel case. In
// envoyproxy/envoy: api/envoy/service/discovery/v3/discovery.proto (DiscoveryResponse),
// api/envoy/config/endpoint/v3/endpoint.proto (ClusterLoadAssignment), endpoint_components.proto (LocalityLbEndpoints,
// LbEndpoint, Endpoint), api/envoy/config/core/v3/address.proto (SocketAddress), base.proto (Locality), health_check.proto
// (HealthStatus).
type (
	discoveryResponse struct {
		VersionInfo string           `json:"version_info"`
		Resources   []loadAssignment `json:"resources"`
		TypeURL     string           `json:"type_url"`
		Nonce       string           `json:"nonce"`
	}
	loadAssignment struct {
		Type        string              `json:"@type"`
		ClusterName string              `json:"cluster_name"`
		Endpoints   []localityEndpoints `json:"endpoints"`
	}
	localityEndpoints struct {
		Locality  *locality    `json:"locality,omitempty"`
		Endpoints []lbEndpoint `json:"lb_endpoints"`
		Priority  int          `json:"priority,omitempty"`
	}
	locality struct {
		Zone string `json:"zone"`
	}
	lbEndpoint struct {
		Endpoint     endpoint `json:"endpoint"`
		HealthStatus string   `json:"health_status"`
		Weight       int      `json:"load_balancing_weight"`
	}
	endpoint struct {
		Address address `json:"address"`
	}
	address struct {
		Socket socketAddress `json:"socket_address"`
	}
	socketAddress struct {
		Address string `json:"address"`
		Port    uint16 `json:"port_value"`
	}
)

// Envoy returns the pools as one DiscoveryResponse with a ClusterLoadAssignment each. Servers are grouped by zone; backups
// have priority 1, or 0 when there is no other server, since priorities may not begin at 1. A server that drains is
// DRAINING; one that is down is left out, because Envoy sends traffic to unhealthy ones when most are unhealthy. The
// version is a hash of all the rest.
func Envoy(pools []lbsync.Pool) []byte { return encode(envoyResponse(pools)) }

func envoyResponse(pools []lbsync.Pool) discoveryResponse {
	resources := make([]loadAssignment, 0, len(pools))
	for _, p := range byName(pools) {
		resources = append(resources, loadAssignment{Type: EndpointType, ClusterName: p.Name, Endpoints: localities(p.Servers)})
	}
	version := hash(encode(resources))
	return discoveryResponse{VersionInfo: version, Resources: resources, TypeURL: EndpointType, Nonce: version}
}

// localities groups servers by priority and zone, in that order.
func localities(servers []lbsync.Server) []localityEndpoints {
	type place struct {
		priority int
		zone     string
	}
	first := slices.ContainsFunc(servers, func(s lbsync.Server) bool { return s.State != lbsync.Down && !s.Backup })
	groups := map[place][]lbEndpoint{}
	for _, s := range servers {
		if s.State == lbsync.Down {
			continue
		}
		at := place{zone: s.Zone}
		if s.Backup && first {
			at.priority = 1
		}
		groups[at] = append(groups[at], envoyEndpoint(s))
	}
	out := make([]localityEndpoints, 0, len(groups))
	for at, endpoints := range groups {
		group := localityEndpoints{Endpoints: endpoints, Priority: at.priority}
		if at.zone != "" {
			group.Locality = &locality{Zone: at.zone}
		}
		out = append(out, group)
	}
	slices.SortFunc(out, func(a, b localityEndpoints) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.zone(), b.zone()))
	})
	return out
}

func (l localityEndpoints) zone() string {
	if l.Locality == nil {
		return ""
	}
	return l.Locality.Zone
}

func envoyEndpoint(s lbsync.Server) lbEndpoint {
	health := "HEALTHY"
	if s.State == lbsync.Drain {
		health = "DRAINING"
	}
	return lbEndpoint{
		Endpoint:     endpoint{address{socketAddress{Address: s.Addr.Addr().String(), Port: s.Addr.Port()}}},
		HealthStatus: health,
		Weight:       max(s.Weight, 1),
	}
}
