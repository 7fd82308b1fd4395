package nginx

import (
	"fmt"

	"rollcall/lbsync"
)

// View is what a template sees. All texts are addresses, numbers, or words of the narrow sets of characters that lbsync
// lets pass; nothing has to be quoted. What nginx needs to tell its generation follows the template's text by itself.
type View struct {
	// Pools are in the order of the target's services, never none. A pool may have no servers yet.
	Pools []Pool
}

// Pool is one service: one upstream block.
type Pool struct {
	Name string
	// ZoneSize is the shared memory that the upstream's zone needs, such as 128k.
	ZoneSize string
	Servers  []Server
	// Placeholder is set when there is no server, which nginx does not take: it then needs a line such as
	// "server 127.0.0.1:1 down;".
	Placeholder bool
}

// Server is one server.
type Server struct {
	Name    string // s_10.0.1.1_8080
	Address string // 10.0.1.1:8080 or [2001:db8::1]:8080
	IP      string
	Port    int
	Weight  int    // 1 to 256
	MaxConn int    // 0 is no limit
	State   string // up, drain or down
	Down    bool   // Gets no requests: nginx has no drain, so that it is down, and no weight of 0.
	Backup  bool   // Never set for all servers of a pool, which nginx does not take.
	Zone    string
}

func newPool(p lbsync.Pool) Pool {
	out := Pool{Name: p.Name, ZoneSize: zoneSize(len(p.Servers)), Placeholder: len(p.Servers) == 0}
	primaries := 0
	for _, s := range p.Servers {
		if !s.Backup {
			primaries++
		}
	}
	for _, s := range p.Servers {
		out.Servers = append(out.Servers, Server{
			Name: s.Name(), Address: s.Addr.String(), IP: s.Addr.Addr().String(), Port: int(s.Addr.Port()),
			Weight: max(s.Weight, 1), MaxConn: s.MaxConn, State: string(s.State), Zone: s.Zone,
			Down:   s.State != lbsync.Up || s.Weight == 0,
			Backup: s.Backup && primaries > 0,
		})
	}
	return out
}

const (
	// zoneBase and zonePerServer are what nginx needs of shared memory, with half as much again to spare; measured with
	// 64 to 2600 servers of both address families.
	zoneBase      = 32 << 10
	zonePerServer = 1280 * 3 / 2
	// zoneUnit is what the size is rounded up to, in bytes, and zoneMin the smallest size.
	zoneUnit = 64 << 10
	zoneMin  = 128 << 10
)

// zoneSize is the shared memory for so many servers. Too small a zone makes nginx refuse the configuration.
func zoneSize(servers int) string {
	need := max(zoneBase+servers*zonePerServer, zoneMin)
	return fmt.Sprintf("%dk", (need+zoneUnit-1)/zoneUnit*zoneUnit>>10)
}
