package haproxy

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"text/template"

	"rollcall/lbsync"
)

//go:embed haproxy.cfg.tmpl
var builtIn string

// View is what a template sees. All texts are addresses, numbers, or words of the narrow sets of characters
// that lbsync lets pass; nothing has to be quoted.
type View struct {
	// Generation names this content: 16 hexadecimal digits that change with anything else in the file.
	Generation string
	// Bind is where to listen, such as ":80"; empty when the configuration has none.
	Bind string
	// RunAs is the user and group to change to, or empty.
	RunAs string
	// Pools are in the order of the target's services, never none. A pool may have no servers yet.
	Pools []Pool
}

// Pool is one service.
type Pool struct {
	Name    string
	Servers []Server
}

// Server is one server.
type Server struct {
	Name    string // s_10.0.1.1_8080
	ID      int    // 1 to 32767, unique in the pool
	Address string // 10.0.1.1:8080 or [2001:db8::1]:8080
	IP      string
	Port    int
	Weight  int    // 0 to 256; 0 drains
	State   string // up, drain or down
	Down    bool   // State is down
	Backup  bool
	Zone    string
}

func loadTemplate(path string) (*template.Template, error) {
	text := builtIn
	if path != "" {
		read, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("haproxy template: %w", err)
		}
		text = string(read)
	}
	t, err := template.New("haproxy").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("haproxy template: %w", err)
	}
	return t, nil
}

// Render writes the file. Its generation is the hash of the file without a generation.
func (d *Driver) Render(pools []lbsync.Pool) ([]byte, error) {
	view := View{Bind: d.bind, RunAs: d.options.RunAs}
	for _, p := range pools {
		view.Pools = append(view.Pools, newPool(p))
	}
	draft, err := d.execute(view)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(draft)
	view.Generation = hex.EncodeToString(sum[:8])
	return d.execute(view)
}

func (d *Driver) execute(view View) ([]byte, error) {
	var out bytes.Buffer
	if err := d.template.Execute(&out, view); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return out.Bytes(), nil
}

func newPool(p lbsync.Pool) Pool {
	out := Pool{Name: p.Name, Servers: make([]Server, len(p.Servers))}
	ids := assignIDs(p.Servers)
	for i, s := range p.Servers {
		out.Servers[i] = Server{
			Name: s.Name(), ID: ids[i], Address: s.Addr.String(), IP: s.Addr.Addr().String(), Port: int(s.Addr.Port()),
			Weight: weight(s), State: string(s.State), Down: s.State == lbsync.Down, Backup: s.Backup, Zone: s.Zone,
		}
	}
	return out
}

func weight(s lbsync.Server) int {
	if s.State == lbsync.Drain {
		return 0
	}
	return s.Weight
}
