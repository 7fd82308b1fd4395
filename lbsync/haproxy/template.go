package haproxy

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"text/template"
	"time"

	"rollcall/lbsync"
)

//go:embed haproxy.cfg.tmpl
var builtIn string

// View is what a template sees. All texts are addresses, numbers, or words of the narrow sets of characters
// that lbsync lets pass; nothing has to be quoted.
type View struct {
	// Generation names the structure: 16 hexadecimal digits that change with the template and with anything else in the
	// file but the lines of servers. A file that has
	//
	//	set-var proc.rollcall_gen str({{.Generation}})
	//
	// in its global section lets lbsync see what HAProxy has loaded. Without it all changes are reloads.
	Generation string
	// Bind is where to listen, such as ":80"; empty when the configuration has none.
	Bind string
	// RunAs is the user and group to change to, or empty.
	RunAs string
	// RuntimeSocket is the path of the stats socket to declare, or empty.
	RuntimeSocket string
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
	ID      int    // 1 to 32767, unique in the pool; the lines of servers need it
	Address string // 10.0.1.1:8080 or [2001:db8::1]:8080
	IP      string
	Port    int
	Weight  int    // 0 to 256; 0 drains
	State   string // up, drain or down
	Down    bool   // State is down
	Backup  bool
	Zone    string
	// MaxConn is how many connections the server takes at a time; 0 is no limit.
	MaxConn int
	// SlowStart is how long a server that comes up gets less than its share, in seconds; 0 is none. HAProxy does that
	// only for servers with checks.
	SlowStart int
}

// loadTemplate returns the template and its text.
func loadTemplate(path string) (*template.Template, string, error) {
	text := builtIn
	if path != "" {
		read, err := os.ReadFile(path)
		if err != nil {
			return nil, "", fmt.Errorf("haproxy template: %w", err)
		}
		text = string(read)
	}
	t, err := template.New("haproxy").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, "", fmt.Errorf("haproxy template: %w", err)
	}
	return t, text, nil
}

// noGeneration stands for the generation while it is not known.
const noGeneration = "0000000000000000"

// A rendering is a file, taken apart, with the generation in it.
type rendering struct {
	generation string
	text       []byte
	model      *model
}

// Render writes the file. Servers that run have the ids with which they run, as the latest Live has seen.
//
// The generation follows from the file without it. Most changes leave the structure alone, so the latest generation is
// tried first: where it gives the latest structure again, it is right.
func (d *Driver) Render(pools []lbsync.Pool) ([]byte, error) {
	view := View{Generation: noGeneration, Bind: d.bind, RunAs: d.options.RunAs, RuntimeSocket: d.conf.RuntimeSocket}
	for _, p := range pools {
		view.Pools = append(view.Pools, newPool(p, d.known.ids))
	}
	if d.latest.model != nil {
		again, err := d.renderAs(d.latest.generation, view)
		if err == nil && bytes.Equal(again.model.structure, d.latest.model.structure) {
			d.latest = again
			return again.text, nil
		}
	}
	draft, err := d.renderAs(noGeneration, view)
	if err != nil {
		return nil, err
	}
	d.latest, err = d.renderAs(d.generation(draft.model), view)
	return d.latest.text, err
}

func (d *Driver) renderAs(generation string, view View) (rendering, error) {
	view.Generation = generation
	text, err := d.execute(view)
	if err != nil {
		return rendering{}, err
	}
	return rendering{generation: generation, text: text, model: d.lines.parseFile(text)}, nil
}

// modelOf takes a rendered file apart, which the latest one is already.
func (d *Driver) modelOf(file []byte) *model {
	if d.latest.model != nil && bytes.Equal(file, d.latest.text) {
		return d.latest.model
	}
	return parseFile(file)
}

// generation is the hash of the structure and of the template: a template with other options for its servers makes no
// other structure, and wants to be loaded all the same.
func (d *Driver) generation(draft *model) string {
	hash := sha256.New()
	_, _ = hash.Write([]byte(d.source)) // A hash never fails.
	_, _ = hash.Write([]byte{0})
	_, _ = hash.Write(draft.structure)
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

func (d *Driver) execute(view View) ([]byte, error) {
	var out bytes.Buffer
	if err := d.template.Execute(&out, view); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return out.Bytes(), nil
}

func newPool(p lbsync.Pool, running map[ref]int) Pool {
	out := Pool{Name: p.Name, Servers: make([]Server, len(p.Servers))}
	ids := assignIDs(p, running)
	for i, s := range p.Servers {
		out.Servers[i] = Server{
			Name: s.Name(), ID: ids[i], Address: s.Addr.String(), IP: s.Addr.Addr().String(), Port: int(s.Addr.Port()),
			Weight: weight(s), State: string(s.State), Down: s.State == lbsync.Down, Backup: s.Backup, Zone: s.Zone,
			MaxConn: s.MaxConn, SlowStart: int(s.SlowStart / time.Second),
		}
	}
	return out
}

// Line is the server's line as the built-in template has it, without the word server and without the health check.
// Texts that are put together here cost a tenth of what they cost in a template.
func (s Server) Line() string {
	b := make([]byte, 0, 128)
	b = append(b, s.Name...)
	b = append(b, ' ')
	b = append(b, s.Address...)
	b = appendOption(b, " id ", s.ID)
	b = appendOption(b, " weight ", s.Weight)
	if s.MaxConn > 0 {
		b = appendOption(b, " maxconn ", s.MaxConn)
	}
	if s.Backup {
		b = append(b, " backup"...)
	}
	if s.Down {
		b = append(b, " disabled"...)
	}
	if s.SlowStart > 0 {
		b = append(appendOption(b, " slowstart ", s.SlowStart), 's')
	}
	return string(b)
}

func appendOption(to []byte, name string, value int) []byte {
	return strconv.AppendInt(append(to, name...), int64(value), 10)
}

func weight(s lbsync.Server) int {
	if s.State == lbsync.Drain {
		return 0
	}
	return s.Weight
}
