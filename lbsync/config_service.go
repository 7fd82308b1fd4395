package lbsync

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// The ways to look at held hosts, the values of [Service].Probe; empty is ProbeTCP.
const (
	ProbeTCP  = "tcp"
	ProbeNone = "none"
)

func (v *validator) services(services map[string]Service) {
	if len(services) == 0 {
		v.fault("$.services", "services needs at least one service")
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if !isServiceName(name) {
			v.fault("$.services", "service name %q: only a-z, 0-9, '_' and '-', a letter first, at most 63", name)
			continue
		}
		s, path := services[name], "$.services."+name
		if !isPrefix(s.Prefix) {
			v.fault(path+".prefix", "prefix must be an absolute path of the registry, like /frontends")
		}
		v.port(path+".port", s.Port)
		v.protection(path, s)
		v.onEmpty(path, s)
	}
}

// port refuses what the decoder lets pass: 0, and numbers in quotes or with a fraction.
func (v *validator) port(path string, port uint16) {
	if v.given(path) && (!v.isInteger(path) || port == 0) {
		v.fault(path, "port must be a number from 1 to 65535")
	}
}

// count checks a number that is missing or least at least, and written as a number.
func (v *validator) count(path string, n, least int) {
	if v.given(path) && (!v.isInteger(path) || n < least) {
		v.fault(path, "%s must be a number, %d or more", lastKey(path), least)
	}
}

// isInteger tells a number from one in quotes and from one with a fraction, which the decoder takes as well.
func (v *validator) isInteger(path string) bool {
	_, ok := v.node(path).(*ast.IntegerNode)
	return ok
}

// protection checks what guards a pool against loss.
func (v *validator) protection(path string, s Service) {
	if s.MaxLoss != nil && *s.MaxLoss < 0 {
		v.fault(path+".max_loss", "max_loss must be a share from 0%% to 100%%, such as 15%%")
	}
	v.positive(path+".loss_window", s.LossWindow)
	v.duration(path+".max_hold", s.MaxHold)
	v.duration(path+".bad_grace", s.BadGrace)
	if s.Probe != "" && s.Probe != ProbeTCP && s.Probe != ProbeNone {
		v.fault(path+".probe", "probe must be %s or %s", ProbeTCP, ProbeNone)
	}
	v.count(path+".min_servers", s.MinServers, 0)
}

// onEmpty checks that there are fallback servers exactly where they are asked for.
func (v *validator) onEmpty(path string, s Service) {
	switch s.OnEmpty {
	case "", OnEmptyKeep, OnEmptyEmpty:
		if len(s.Fallback) > 0 {
			v.fault(path+".fallback", "fallback has no use without \"on_empty: %s\"", OnEmptyFallback)
		}
	case OnEmptyFallback:
		if len(s.Fallback) == 0 {
			v.fault(path+".fallback", "on_empty: %s needs at least one server in fallback", OnEmptyFallback)
		}
	default:
		v.fault(path+".on_empty", "on_empty must be %s, %s or %s", OnEmptyKeep, OnEmptyFallback, OnEmptyEmpty)
	}
	v.fallback(path+".fallback", s)
}

// fallback checks the values. They are the last resort, so none may depend on a name server.
func (v *validator) fallback(path string, s Service) {
	taken := map[netip.AddrPort]bool{}
	for i, value := range s.Fallback {
		at := fmt.Sprintf("%s[%d]", path, i)
		server, err := ParseValue(value, s.Port)
		switch {
		case err != nil:
			v.fault(at, "fallback server: %v", err)
		case server.Host != "":
			v.fault(at, "fallback server must be an address, not a host name")
		case taken[server.Addr]:
			v.fault(at, "fallback server %s comes twice", server.Addr)
		}
		taken[server.Addr] = true
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
