package lbsync

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// A Pool is the servers of one service, sorted by address, each address once.
type Pool struct {
	// Name is the service's name in the configuration.
	Name    string
	Servers []Server
}

// A Rejection is an entry that did not become a server.
type Rejection struct {
	// Key is the entry's key as the registry gave it. It is for logs, quoted, and for nothing else.
	Key    string
	Reason Reason
}

// ReadPool returns the servers of entries as a pool, read as lbsync reads them, without host names, and what became none.
// The port is for values that have none; 0 rejects these. Nothing of what lbsync's guard does is done.
func ReadPool(name string, entries []Entry, port uint16) (Pool, []Rejection) {
	usable, rejected := reading{port: port}.candidates(entries)
	p := Pool{Name: name}
	for _, c := range usable {
		p.Servers = append(p.Servers, c.server)
	}
	slices.SortFunc(p.Servers, func(a, b Server) int { return a.Addr.Compare(b.Addr) })
	return p, rejected
}

// A lookup gives the address of a host name; false is "none".
type lookup func(host string) (netip.Addr, bool)

// How entries are read.
type reading struct {
	// port is for values that have none.
	port uint16
	// hostNames allows values that are host names, resolve finds their addresses.
	hostNames bool
	resolve   lookup
}

// candidates parses entries. What comes out depends on the entries' set alone, not on their order: of two entries with
// the same address the one with the smaller key counts.
func (r reading) candidates(entries []Entry) ([]candidate, []Rejection) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })

	var usable []candidate
	var rejected []Rejection
	taken := map[netip.AddrPort]bool{}
	for _, e := range entries {
		s, err := r.parse(e)
		if err == nil && taken[s.Addr] {
			err = reject(ReasonDuplicate)
		}
		if no, ok := errors.AsType[*RejectError](err); ok {
			rejected = append(rejected, Rejection{Key: e.Key, Reason: no.Reason})
			continue
		}
		taken[s.Addr] = true
		usable = append(usable, candidate{key: e.Key, server: s})
	}
	return usable, rejected
}

func (r reading) parse(e Entry) (Server, error) {
	if err := checkKey(e.Key); err != nil {
		return Server{}, err
	}
	s, err := ParseValue(e.Value, r.port)
	if err != nil || s.Host == "" {
		return s, err
	}
	if !r.hostNames {
		return Server{}, reject(ReasonHostName)
	}
	ip, ok := r.resolve(s.Host)
	if !ok || !allowed(ip) {
		return Server{}, reject(ReasonHost)
	}
	s.Addr = netip.AddrPortFrom(ip, s.Addr.Port())
	return s, nil
}

// hostNames lists the host names among the entries, each once, sorted.
func hostNames(entries []Entry) []string {
	var hosts []string
	for _, e := range entries {
		if s, err := ParseValue(e.Value, 1); err == nil && s.Host != "" {
			hosts = append(hosts, s.Host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

func (p Pool) equal(o Pool) bool {
	return p.Name == o.Name && slices.Equal(p.Servers, o.Servers)
}

func (p Pool) clone() Pool {
	return Pool{Name: p.Name, Servers: slices.Clone(p.Servers)}
}

// inZone makes servers of other zones backups, if the zone has a server that takes traffic.
func (p Pool) inZone(zone string) Pool {
	own := func(s Server) bool { return s.Zone == zone && s.State == Up && !s.Backup }
	if zone == "" || !slices.ContainsFunc(p.Servers, own) {
		return p
	}
	p.Servers = slices.Clone(p.Servers) // The pool as decided stays as it is.
	for i := range p.Servers {
		p.Servers[i].Backup = p.Servers[i].Backup || p.Servers[i].Zone != zone
	}
	return p
}
