package lbsync

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxValueLen is far above any honest value and small enough to parse without thought.
	maxValueLen = 4096
	// maxKeyLen bounds a key; nothing of a key is ever rendered, a longer one is a mistake or an attack.
	maxKeyLen = 1024
)

// ParseValue parses the value of an entry. The forms are
//
//	10.0.1.1   10.0.1.1:8080   2001:db8::1   [2001:db8::1]:8080   host.example   host.example:8080
//	{"addr":"10.0.1.1","port":8080,"weight":50,"state":"up","zone":"a","backup":false,"instance_id":"i-1"}
//
// defaultPort is the port of values that have none; 0 rejects those. Nothing is trimmed or guessed. A failure is a
// *[RejectError].
func ParseValue(value string, defaultPort uint16) (Server, error) {
	switch {
	case value == "":
		return Server{}, reject(ReasonEmpty)
	case len(value) > maxValueLen:
		return Server{}, reject(ReasonTooLong)
	case !utf8.ValidString(value):
		return Server{}, reject(ReasonSyntax)
	case value[0] == '{':
		return parseJSON(value, defaultPort)
	}
	a, err := parseAddress(value)
	if err != nil {
		return Server{}, err
	}
	if a.port == 0 {
		a.port = defaultPort
	}
	return a.server()
}

// An address is what stands in front of a port, and the port; 0 is none.
type address struct {
	ip   netip.Addr
	host string
	port uint16
}

func (a address) server() (Server, error) {
	if a.port == 0 {
		return Server{}, reject(ReasonNoPort)
	}
	return Server{Addr: netip.AddrPortFrom(a.ip, a.port), Host: a.host, Weight: DefaultWeight, State: Up}, nil
}

func parseAddress(s string) (address, error) {
	host, port, err := splitPort(s)
	if err != nil {
		return address{}, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		if !allowed(ip) {
			return address{}, reject(ReasonAddress)
		}
		return address{ip: ip, port: port}, nil
	}
	if !isHostName(host) {
		return address{}, reject(ReasonSyntax)
	}
	return address{host: strings.ToLower(host), port: port}, nil
}

// splitPort cuts a port off. Brackets are for IPv6 with a port and for nothing else.
func splitPort(s string) (host string, port uint16, err error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, text, found := strings.Cut(rest, "]:")
		if !found || !strings.Contains(host, ":") {
			return "", 0, reject(ReasonSyntax)
		}
		port, err = parsePort(text)
		return host, port, err
	}
	if strings.Count(s, ":") != 1 {
		return s, 0, nil
	}
	host, text, _ := strings.Cut(s, ":")
	port, err = parsePort(text)
	return host, port, err
}

// parsePort reads 1 to 65535 in plain decimal digits without a leading zero.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, reject(ReasonPort)
	}
	return uint16(n), nil
}

// allowed tells whether a server can be reached at ip. Balancers take some of the others for "the address the client
// asked for"; link-local ones hold the metadata services of clouds.
func allowed(ip netip.Addr) bool {
	switch {
	case !ip.IsValid(), ip.Zone() != "", ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast():
		return false
	case ip.Is4():
		first := ip.As4()[0]
		return first != 0 && first < 240
	}
	return true
}

// isHostName tells whether s is a dotted host name by RFC 1123 that no program takes for a number.
func isHostName(s string) bool {
	labels := strings.Split(s, ".")
	if len(s) > 253 || len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	return !isNumber(labels[len(labels)-1])
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return consistsOf(s, "-")
}

// isNumber tells whether a resolver could read the last label as a part of an IPv4 address.
func isNumber(label string) bool {
	_, err := strconv.ParseUint(label, 0, 64)
	return err == nil || strings.Trim(label, "0123456789") == ""
}

// consistsOf tells whether s has only ASCII letters, digits and the bytes of more.
func consistsOf(s, more string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}

// checkKey refuses keys that no honest host has. Keys are not rendered anywhere; this is so that a hostile one is
// noticed, and stays out of what is to come.
func checkKey(key string) error {
	if key == "" || len(key) > maxKeyLen || !consistsOf(key, "/._:@+=~-") {
		return reject(ReasonKey)
	}
	return nil
}
