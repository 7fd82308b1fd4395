package lbsync

import (
	"errors"
	"net/netip"
	"strings"
)

var errBind = errors.New("not [IP]:PORT")

// ParseBind reads an address to listen on and returns it in the form in which balancers write it. Without an IP, or with
// *, it means all IPv4 addresses.
func ParseBind(s string) (string, error) {
	all, isAll := strings.CutPrefix(strings.TrimPrefix(s, "*"), ":")
	if isAll {
		if _, err := parsePort(all); err != nil {
			return "", errBind
		}
		return ":" + all, nil
	}
	host, port, err := splitPort(s)
	if err != nil || port == 0 {
		return "", errBind
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" || ip.IsMulticast() {
		return "", errBind
	}
	return netip.AddrPortFrom(ip, port).String(), nil
}
