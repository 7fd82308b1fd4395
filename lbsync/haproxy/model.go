package haproxy

import (
	"bytes"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// markerName is the variable by which a process tells which structure it has loaded.
	markerName = "proc.rollcall_gen"
	askMarker  = "get var " + markerName
)

var markerLine = regexp.MustCompile(`(?m)^[ \t]*set-var ` + regexp.QuoteMeta(markerName) + ` str\(([0-9a-f]{16})\)[ \t]*$`)

// A model is a rendered file, taken apart: the servers, which can be changed by commands, and the structure, which is all
// the rest and needs a reload.
type model struct {
	// marker is the generation that the file sets, empty for none.
	marker string
	// structure is the file without the lines of servers.
	structure []byte
	// backends are the backend and listen sections in their order.
	backends []*backend
}

// A backend is one backend or listen section.
type backend struct {
	name string
	// servers are those of our name form that commands can add.
	servers []serverLine
	// fixed are the names of the others, which belong to the structure.
	fixed map[string]bool
	// open tells that the section has servers whose names are not written out (server-template).
	open bool
}

// A serverLine is one server of a file.
type serverLine struct {
	name string
	addr netip.AddrPort
	// id is 0 when the line gives none.
	id int
	// weight is 0 for a server that drains.
	weight int
	// maxConn is 0 for no limit.
	maxConn int
	// disabled is a server in maintenance.
	disabled bool
	backup   bool
	check    bool
	// options is the rest of the line as add server takes it: backup and check included; id, weight, maxconn and
	// disabled not.
	options string
}

// sections are the words that begin a section other than backend and listen (HAProxy 3.4).
var sections = []string{
	"global", "defaults", "frontend", "peers", "resolvers", "userlist", "mailers", "cache", "program", "http-errors",
	"ring", "log-forward", "fcgi-app", "crt-store", "traces", "log-profile", "acme", "ot-scope", "ot-group",
}

// reloadOnly are options that add server refuses, or after which it needs commands that this package does not send.
var reloadOnly = []string{
	"agent-check", "cookie", "enabled", "init-addr", "no-check", "redir", "resolve-net", "resolve-opts",
	"resolve-prefer", "resolvers", "track",
}

// A lineCache has the lines of servers that were read before: from one file to the next nearly all stay.
type lineCache map[string]serverLine

// parseFile takes a rendered file apart.
func parseFile(text []byte) *model { return lineCache{}.parseFile(text) }

// parseFile remembers the file's lines of servers, and forgets those of others when they get many.
func (c lineCache) parseFile(text []byte) *model {
	p := parser{m: &model{}, fixed: hasHiddenOptions(text), cache: c}
	var structure bytes.Buffer
	for row := range bytes.Lines(text) {
		if p.again(row) || p.line(string(row)) {
			p.servers++
			continue
		}
		structure.Write(row)
	}
	p.m.structure = structure.Bytes()
	if found := markerLine.FindSubmatch(p.m.structure); found != nil {
		p.m.marker = string(found[1])
	}
	if len(c) > 2*p.servers {
		clear(c)
	}
	return p.m
}

// space are the characters between words.
const space = " \t\r\n\v\f"

// hasHiddenOptions tells whether a server may have options that its line does not show, or not be there at all. add
// server does not inherit from default-server.
func hasHiddenOptions(text []byte) bool {
	for row := range bytes.Lines(text) {
		row = bytes.TrimLeft(row, space)
		if end := bytes.IndexAny(row, space); end > 0 && (string(row[:end]) == "default-server" || string(row[:end]) == ".if") {
			return true
		}
	}
	return false
}

// A parser goes through a file line by line.
type parser struct {
	m     *model
	in    *backend // nil outside of backend and listen
	fixed bool     // no server can be changed by commands
	cache lineCache
	// servers counts the lines of servers.
	servers int
}

// again takes the line of a server that was read before, and tells whether it is one.
func (p *parser) again(row []byte) bool {
	if p.in == nil || p.fixed {
		return false
	}
	s, known := p.cache[string(row)]
	if known {
		p.in.servers = append(p.in.servers, s)
	}
	return known
}

// line reads a line and tells whether it is that of a server that commands can add.
func (p *parser) line(row string) bool {
	words := split(row)
	if len(words) == 0 {
		return false
	}
	switch {
	case words[0] == "backend" || words[0] == "listen":
		p.in = &backend{fixed: map[string]bool{}}
		if len(words) > 1 {
			p.in.name = words[1]
		}
		p.m.backends = append(p.m.backends, p.in)
	case slices.Contains(sections, words[0]):
		p.in = nil
	case p.in != nil && words[0] == "server-template":
		p.in.open = true
	case p.in != nil && words[0] == "server" && len(words) > 1:
		return p.server(row, words[1:])
	}
	return false
}

func (p *parser) server(row string, words []string) bool {
	s, err := parseServer(words)
	if err != nil || p.fixed {
		p.in.fixed[words[0]] = true
		return false
	}
	p.in.servers = append(p.in.servers, s)
	p.cache[row] = s
	return true
}

// split cuts a line into words, without its comment.
func split(row string) []string {
	row, _, _ = strings.Cut(row, "#")
	return strings.Fields(row)
}

var errNotPlain = errors.New("not a server that commands can add")

// parseServer reads NAME ADDRESS OPTIONS. Everything has to be plain: a line with quotes, variables or options that only
// a configuration may have is left to the structure.
func parseServer(words []string) (serverLine, error) {
	if len(words) < 2 || !isOurs(words[0]) {
		return serverLine{}, errNotPlain
	}
	addr, err := parseAddr(words[1])
	if err != nil {
		return serverLine{}, err
	}
	s := serverLine{name: words[0], addr: addr, weight: 1}
	var rest []string
	for options := words[2:]; len(options) > 0; {
		if slices.Contains(reloadOnly, options[0]) || strings.ContainsFunc(options[0], notPlain) {
			return serverLine{}, errNotPlain
		}
		used, err := s.option(options)
		if err != nil {
			return serverLine{}, err
		}
		if used == 0 {
			rest, used = append(rest, options[0]), 1
		}
		options = options[used:]
	}
	s.options = strings.Join(rest, " ")
	return s, nil
}

func notPlain(r rune) bool { return !isPlain(r) }

// option reads an option that is kept apart from the others and returns how many words it has, 0 for any other.
func (s *serverLine) option(words []string) (int, error) {
	var number *int
	switch words[0] {
	case "id":
		number = &s.id
	case "weight":
		number = &s.weight
	case "maxconn":
		number = &s.maxConn
	case "disabled":
		s.disabled = true
		return 1, nil
	case "backup":
		s.backup = true
	case "check":
		s.check = true
	}
	if number == nil {
		return 0, nil
	}
	if len(words) < 2 {
		return 0, errNotPlain
	}
	var err error
	*number, err = strconv.Atoi(words[1])
	return 2, err
}

// isOurs tells whether a name has the form that lbsync gives: s_10.0.1.1_8080.
func isOurs(name string) bool {
	_, err := addrOfName(name)
	return err == nil
}

// addrOfName reads the address of a name of our form.
func addrOfName(name string) (netip.AddrPort, error) {
	rest, ok := strings.CutPrefix(name, "s_")
	ip, port, found := strings.Cut(rest, "_")
	if !ok || !found {
		return netip.AddrPort{}, errNotPlain
	}
	return joinAddr(ip, port)
}

// parseAddr reads an address as HAProxy does, where the port follows the last colon and brackets may be missing.
func parseAddr(text string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return netip.AddrPort{}, errNotPlain
	}
	ip := text[:i]
	if inner, ok := strings.CutPrefix(ip, "["); ok {
		ip = strings.TrimSuffix(inner, "]")
	}
	return joinAddr(ip, text[i+1:])
}

func joinAddr(ip, port string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(addr, uint16(n)), err
}
