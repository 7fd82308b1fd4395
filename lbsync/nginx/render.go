package nginx

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"text/template"
	"time"

	"rollcall/lbsync"
)

//go:embed upstreams.conf.tmpl
var builtIn string

// loadTemplate reads the template of upstream blocks; the built-in one when path is empty.
func loadTemplate(path string) (*template.Template, error) {
	text := builtIn
	if path != "" {
		read, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("nginx template: %w", err)
		}
		text = string(read)
	}
	t, err := template.New("nginx").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("nginx template: %w", err)
	}
	return t, nil
}

// Render writes the upstream blocks by the template, and after them what nginx needs to tell the file's generation,
// which is the hash of the file without it.
func (d *Driver) Render(pools []lbsync.Pool) ([]byte, error) {
	var view View
	for _, p := range pools {
		view.Pools = append(view.Pools, newPool(p))
	}
	var out bytes.Buffer
	if err := d.template.Execute(&out, view); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if len(bytes.TrimSpace(out.Bytes())) == 0 {
		return nil, errors.New("template: it yields nothing")
	}
	draft, err := d.marker.write(out.Bytes(), "")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(draft)
	return d.marker.write(out.Bytes(), hex.EncodeToString(sum[:8]))
}

// try renders pools of all kinds, so that a template's faults are found before there are servers.
func (d *Driver) try() error {
	for _, servers := range [][]lbsync.Server{nil, sampleServers()} {
		var pools []lbsync.Pool
		for _, name := range d.conf.Services {
			pools = append(pools, lbsync.Pool{Name: name, Servers: servers})
		}
		text, err := d.Render(pools)
		if err == nil {
			err = cmp.Or(lbsync.Lint(text), lbsync.LintServers(text, pools))
		}
		if err != nil {
			return fmt.Errorf("nginx template, tried with %d servers in each pool: %w", len(servers), err)
		}
	}
	return nil
}

func sampleServers() []lbsync.Server {
	v4 := netip.MustParseAddrPort("192.0.2.1:80")
	v6 := netip.MustParseAddrPort("[2001:db8::1]:8080")
	return []lbsync.Server{
		{Addr: v4, State: lbsync.Up, Weight: 1, Zone: "z1", MaxConn: 100, SlowStart: time.Second},
		{Addr: v6, State: lbsync.Up, Weight: lbsync.MaxWeight, Backup: true},
		{Addr: netip.AddrPortFrom(v4.Addr(), 81), State: lbsync.Drain, Weight: lbsync.DefaultWeight},
		{Addr: netip.AddrPortFrom(v6.Addr(), 81), State: lbsync.Down, Weight: lbsync.DefaultWeight},
	}
}
