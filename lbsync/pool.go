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

// A lookup gives the address of a host name; false is "none".
type lookup func(host string) (netip.Addr, bool)

// buildPool makes a pool of entries. It depends on the entries' set alone, not on their order: of two entries with the
// same address the one with the smaller key counts.
func buildPool(name string, defaultPort uint16, entries []Entry, resolve lookup) (Pool, []Rejection) {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })

	pool := Pool{Name: name}
	var rejected []Rejection
	taken := map[netip.AddrPort]bool{}
	for _, e := range entries {
		s, err := parseEntry(e, defaultPort, resolve)
		if err == nil && taken[s.Addr] {
			err = reject(ReasonDuplicate)
		}
		if no, ok := errors.AsType[*RejectError](err); ok {
			rejected = append(rejected, Rejection{Key: e.Key, Reason: no.Reason})
			continue
		}
		taken[s.Addr] = true
		pool.Servers = append(pool.Servers, s)
	}
	slices.SortFunc(pool.Servers, Server.compare)
	return pool, rejected
}

func parseEntry(e Entry, defaultPort uint16, resolve lookup) (Server, error) {
	if err := checkKey(e.Key); err != nil {
		return Server{}, err
	}
	s, err := ParseValue(e.Value, defaultPort)
	if err != nil || s.Host == "" {
		return s, err
	}
	ip, ok := resolve(s.Host)
	if !ok || !allowed(ip) {
		return Server{}, reject(ReasonHost)
	}
	s.Addr = netip.AddrPortFrom(ip, s.Addr.Port())
	return s, nil
}

// noLookup knows no host.
func noLookup(string) (ip netip.Addr, ok bool) { return ip, false }

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
