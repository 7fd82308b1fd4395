package lbsync

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A validator checks what the types cannot, and knows where each value stands in the file.
type validator struct {
	name   string
	file   *ast.File
	faults []error
	taken  map[string]bool // files, sockets and addresses that a target has already
}

func newValidator(name string, text []byte) (*validator, error) {
	file, err := parser.ParseBytes(text, 0)
	return &validator{name: name, file: file, taken: map[string]bool{}}, err
}

// fault reports a fault at a YAML path such as $.haproxy[0].bind. What is missing is reported at the place where it is
// missed: the nearest parent that exists.
func (v *validator) fault(path, message string, args ...any) {
	e := &ConfigError{File: v.name, Message: fmt.Sprintf(message, args...)}
	for ; path != "" && e.Line == 0; path = parent(path) {
		e.Line, e.Column = v.position(path)
	}
	v.faults = append(v.faults, e)
}

func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

func (v *validator) position(path string) (line, column int) {
	node := v.node(path)
	if node == nil || node.GetToken() == nil {
		return 0, 0
	}
	pos := start(node).Position
	return pos.Line, pos.Column
}

func (v *validator) node(path string) ast.Node {
	p, err := yaml.PathString(path)
	if err != nil {
		return nil
	}
	node, err := p.FilterFile(v.file)
	if err != nil {
		return nil
	}
	return node
}

func (v *validator) config(c *Config) error {
	v.endpoints(c.Endpoints)
	v.tls(c.TLS)
	v.process(c)
	v.listenTLS(c)
	v.timing(c.Timing)
	v.services(c.Services)
	v.report(c)
	if len(c.HAProxy)+len(c.Nginx) == 0 {
		v.fault("$", "neither haproxy nor nginx has a target")
	}
	for i, t := range c.HAProxy {
		v.haproxy(fmt.Sprintf("$.haproxy[%d]", i), t, c.Services)
	}
	for i, t := range c.Nginx {
		v.nginx(fmt.Sprintf("$.nginx[%d]", i), t, c.Services)
	}
	return errors.Join(v.faults...)
}

// given tells whether the file has the key.
func (v *validator) given(path string) bool { return v.node(path) != nil }

// process checks what is about the process as a whole.
func (v *validator) process(c *Config) {
	if c.Name != "" && !isInstanceName(c.Name) {
		v.fault("$.name", "name: only letters, digits, '.', '_' and '-', a letter or digit first, at most %d", maxWordLen)
	}
	if _, _, err := net.SplitHostPort(c.Listen); c.Listen != "" && err != nil {
		v.fault("$.listen", "listen must be HOST:PORT")
	}
	if c.StateDir == "" && v.given("$.state_dir") || strings.ContainsRune(c.StateDir, 0) {
		v.fault("$.state_dir", "state_dir must be the path of a directory")
	}
}

// isInstanceName tells whether a name can be a key of the registry that shows in listings.
func isInstanceName(s string) bool {
	return isWord(s) && consistsOf(s[:1], "")
}

// isWord tells whether s is of the characters that zones and instance ids of entries have.
func isWord(s string) bool {
	return s != "" && len(s) <= maxWordLen && consistsOf(s, "._-")
}

// report refuses a place where reports would be taken for hosts.
func (v *validator) report(c *Config) {
	if c.Report == ReportOff {
		return
	}
	root := c.Report
	if root == "" {
		root = DefaultReport
	}
	if !isPrefix(root) {
		v.fault("$.report", "report must be an absolute path of the registry, like %s, or %q", DefaultReport, ReportOff)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if prefix := c.Services[name].Prefix; overlap(root, prefix) {
			v.fault("$.report", "report %s and the prefix %s of service %q overlap", root, prefix, name)
		}
	}
}

// overlap tells whether one of two paths of the registry is the other or lies below it.
func overlap(a, b string) bool {
	a, b = strings.TrimSuffix(a, "/")+"/", strings.TrimSuffix(b, "/")+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

func (v *validator) timing(t TimingConfig) {
	v.positive("$.timing.quiet", t.Quiet)
	v.positive("$.timing.max_delay", t.MaxDelay)
	v.positive("$.timing.relist", t.Relist)
	v.positive("$.timing.drift", t.Drift)
	if t.Quiet > 0 && t.MaxDelay > 0 && t.Quiet > t.MaxDelay {
		v.fault("$.timing.max_delay", "max_delay must not be shorter than quiet")
	}
}

// positive checks a duration that is missing or more than 0.
func (v *validator) positive(path string, d Duration) {
	if v.duration(path, &d); d == 0 && v.given(path) {
		v.fault(path, "%s must be more than 0", lastKey(path))
	}
}

// duration checks one that may be 0.
func (v *validator) duration(path string, d *Duration) {
	if d != nil && *d < 0 {
		v.fault(path, "%s must be a duration such as 200ms, 30s or 10m", lastKey(path))
	}
}

// lastKey is the key at the end of a YAML path.
func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func (v *validator) endpoints(endpoints []string) {
	if len(endpoints) == 0 {
		v.fault("$.endpoints", "endpoints needs at least one URL of a registry node")
	}
	for i, e := range endpoints {
		u, err := url.Parse(e)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
			strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			v.fault(fmt.Sprintf("$.endpoints[%d]", i), "endpoint must be a URL like http://10.0.0.1:4001")
		}
	}
}

func (v *validator) tls(c TLSConfig) {
	v.filePath("$.tls.cacert", c.CACert)
	v.filePath("$.tls.cert", c.Cert)
	v.filePath("$.tls.key", c.Key)
	if (c.Cert == "") != (c.Key == "") {
		v.fault("$.tls", "cert and key go together")
	}
}

func (v *validator) listenTLS(c *Config) {
	t := c.ListenTLS
	v.filePath("$.listen_tls.cert", t.Cert)
	v.filePath("$.listen_tls.key", t.Key)
	v.filePath("$.listen_tls.client_ca", t.ClientCA)
	switch {
	case (t.Cert == "") != (t.Key == ""):
		v.fault("$.listen_tls", "cert and key go together")
	case t.ClientCA != "" && t.Cert == "":
		v.fault("$.listen_tls.client_ca", "client_ca needs cert and key")
	case t.Cert != "" && c.Listen == "":
		v.fault("$.listen_tls", "listen_tls has no effect without listen")
	}
}

// filePath checks the path of a file that may be missing.
func (v *validator) filePath(path, file string) {
	if file == "" && v.given(path) || strings.ContainsRune(file, 0) {
		v.fault(path, "%s must be the path of a file", lastKey(path))
	}
}

// start is the first token of a node: of a mapping, its first key.
func start(node ast.Node) *token.Token {
	switch n := node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	case *ast.SequenceNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return n.Start
		}
	}
	return node.GetToken()
}
