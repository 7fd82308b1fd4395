package lbsync

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
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
	files  map[string]bool // paths that a target has already
}

func newValidator(name string, text []byte) (*validator, error) {
	file, err := parser.ParseBytes(text, 0)
	return &validator{name: name, file: file, files: map[string]bool{}}, err
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
	if _, _, err := net.SplitHostPort(c.Listen); c.Listen != "" && err != nil {
		v.fault("$.listen", "listen must be HOST:PORT")
	}
	v.services(c.Services)
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

func (v *validator) services(services map[string]Service) {
	if len(services) == 0 {
		v.fault("$.services", "services needs at least one service")
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if !isServiceName(name) {
			v.fault("$.services", "service name %q: only a-z, 0-9, '_' and '-', a letter first, at most 63", name)
			continue
		}
		path := "$.services." + name
		if !isPrefix(services[name].Prefix) {
			v.fault(path+".prefix", "prefix must be an absolute path of the registry, like /frontends")
		}
		v.port(path+".port", services[name].Port)
	}
}

// port refuses what the decoder lets pass: 0, and numbers in quotes or with a fraction.
func (v *validator) port(path string, port uint16) {
	node := v.node(path)
	if _, plain := node.(*ast.IntegerNode); node != nil && (!plain || port == 0) {
		v.fault(path, "port must be a number from 1 to 65535")
	}
}

// isServiceName tells whether both balancers and host names can carry the name.
func isServiceName(s string) bool {
	return s != "" && len(s) <= 63 && s[0] >= 'a' && s[0] <= 'z' && s == strings.ToLower(s) && consistsOf(s, "_-")
}

func isPrefix(s string) bool {
	if !strings.HasPrefix(s, "/") || len(s) > 512 || !consistsOf(s, "/._-") {
		return false
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(s[1:], "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func (v *validator) haproxy(at string, t HAProxy, services map[string]Service) {
	v.target(at, t.Config, t.Services, services)
	if _, err := ParseBind(t.Bind); err != nil && (t.Template == "" || t.Bind != "") {
		v.fault(at+".bind", "bind must be [IP]:PORT, like \":80\" or \"10.0.0.1:80\"")
	}
	v.command(at+".check", t.Check)
	if len(t.Check) > 0 && !t.Check.HasFile() {
		v.fault(at+".check", "check must contain \"{file}\", which stands for the candidate")
	}
	v.command(at+".reload", t.Reload)
}

func (v *validator) nginx(at string, t Nginx, services map[string]Service) {
	v.target(at, t.Config, t.Services, services)
	v.command(at+".check", t.Check)
	if len(t.Check) > 0 && !t.Check.HasFile() && t.Check.Program("nginx") < 0 {
		v.fault(at+".check", "check must call nginx, or contain \"{file}\", which stands for the candidate")
	}
	v.command(at+".reload", t.Reload)
}

func (v *validator) target(at, config string, names []string, services map[string]Service) {
	path := filepath.Clean(config)
	switch {
	case config == "" || strings.ContainsRune(config, 0):
		v.fault(at+".config", "config must be the path of the file to write")
	case v.files[path]:
		v.fault(at+".config", "two targets write %s", path)
	}
	v.files[path] = true
	if len(names) == 0 {
		v.fault(at+".services", "services needs at least one name")
	}
	for i, name := range names {
		place := fmt.Sprintf("%s.services[%d]", at, i)
		if _, ok := services[name]; !ok {
			v.fault(place, "unknown service %q", name)
		} else if slices.Contains(names[:i], name) {
			v.fault(place, "service %q comes twice", name)
		}
	}
}

func (v *validator) command(at string, c Command) {
	if len(c) == 0 || slices.Contains(c, "") {
		v.fault(at, "%s must be a command: a list of a program and its arguments", at[strings.LastIndex(at, ".")+1:])
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
