package feed

import (
	"slices"

	"rollcall/lbsync"
)

// The dynamic configuration that Traefik's HTTP provider polls, cut down to services. The names are those of
// pkg/config/dynamic/http_config.go (HTTPConfiguration, Service, ServersLoadBalancer, Server) in traefik/traefik.
//
// Traefik reads it with github.com/traefik/paerser, which refuses the whole document for an object without members
// ("cannot be a standalone element") and for a field that it does not know. Therefore there is no empty object anywhere,
// and a weight only where it matters: Traefik 2 knows none.
type (
	traefikConfig struct {
		HTTP *traefikHTTP `json:"http,omitempty"`
	}
	traefikHTTP struct {
		Services map[string]traefikService `json:"services"`
	}
	traefikService struct {
		LoadBalancer traefikLoadBalancer `json:"loadBalancer"`
	}
	traefikLoadBalancer struct {
		Servers []traefikServer `json:"servers"`
	}
	traefikServer struct {
		URL    string `json:"url"`
		Weight int    `json:"weight,omitempty"`
	}
)

// Traefik returns the pools as dynamic configuration for Traefik's HTTP provider: one service each, to which routers from
// elsewhere refer as NAME@http. Servers that drain or are down are left out, and so are backups while another server is up:
// Traefik has no such states. A pool without servers is a service without servers, which answers 503.
func Traefik(pools []lbsync.Pool) []byte {
	var conf traefikConfig
	if len(pools) > 0 {
		conf.HTTP = &traefikHTTP{Services: map[string]traefikService{}}
	}
	for _, p := range pools {
		conf.HTTP.Services[p.Name] = traefikService{traefikLoadBalancer{Servers: traefikServers(p.Servers)}}
	}
	return encode(conf)
}

func traefikServers(servers []lbsync.Server) []traefikServer {
	serving := inUse(servers)
	weighted := slices.ContainsFunc(serving, func(s lbsync.Server) bool { return s.Weight != serving[0].Weight })
	out := make([]traefikServer, len(serving))
	for i, s := range serving {
		out[i].URL = "http://" + s.Addr.String()
		if weighted {
			out[i].Weight = s.Weight
		}
	}
	return out
}

// inUse returns the servers that traffic goes to: those that are up, and of backups only when there are no others.
func inUse(servers []lbsync.Server) []lbsync.Server {
	var first, backups []lbsync.Server
	for _, s := range servers {
		switch {
		case s.State != lbsync.Up:
		case s.Backup:
			backups = append(backups, s)
		default:
			first = append(first, s)
		}
	}
	if len(first) == 0 {
		return backups
	}
	return first
}
