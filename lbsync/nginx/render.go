package nginx

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"

	"rollcall/lbsync"
)

//go:embed upstreams.conf.tmpl
var builtIn string

var upstreams = template.Must(template.New("nginx").Option("missingkey=error").Parse(builtIn))

// A pool is one upstream block.
type pool struct {
	Name    string
	Zone    string
	Servers []server
	// Placeholder is set when no server line would be left, which nginx does not take.
	Placeholder bool
}

// A server is one line.
type server struct {
	Address string
	Weight  int
	Backup  bool
	Down    bool
}

// Render writes one upstream block for each pool.
func (d *Driver) Render(pools []lbsync.Pool) ([]byte, error) {
	views := make([]pool, len(pools))
	for i, p := range pools {
		views[i] = newPool(p)
	}
	var out bytes.Buffer
	if err := upstreams.Execute(&out, views); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return out.Bytes(), nil
}

func newPool(p lbsync.Pool) pool {
	out := pool{Name: p.Name, Zone: zone(len(p.Servers))}
	primaries := 0
	for _, s := range p.Servers {
		if !s.Backup {
			primaries++
		}
	}
	for _, s := range p.Servers {
		out.Servers = append(out.Servers, server{
			Address: s.Addr.String(),
			Weight:  s.Weight,
			Backup:  s.Backup && primaries > 0, // nginx refuses backups alone.
			Down:    s.State != lbsync.Up,      // It has no drain: running requests end, none is added.
		})
	}
	out.Placeholder = len(out.Servers) == 0
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

// zone is the size of the shared memory for so many servers. Too small a zone makes nginx refuse the configuration.
func zone(servers int) string {
	need := max(zoneBase+servers*zonePerServer, zoneMin)
	return fmt.Sprintf("%dk", (need+zoneUnit-1)/zoneUnit*zoneUnit>>10)
}
