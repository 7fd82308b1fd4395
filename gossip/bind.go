package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/hashicorp/memberlist"
)

// binding is where to listen and what to advertise.
type binding struct {
	transport     memberlist.NodeAwareTransport
	host          string
	port          int
	advertiseHost string
	advertisePort int
	loopback      bool
}

// bind opens the listener, or takes the transport that was given.
func (n *Node) bind() (binding, error) {
	if n.cfg.Transport != nil {
		ip, port, err := n.cfg.Transport.FinalAdvertiseAddr("", 0)
		return binding{transport: n.cfg.Transport, host: ip.String(), port: port, loopback: true}, err
	}
	host, port, err := splitAddr(n.cfg.Listen)
	if err != nil {
		return binding{}, err
	}
	ip, err := n.ipOf(host)
	if err != nil {
		return binding{}, err
	}
	b := binding{host: ip.String(), loopback: ip.IsLoopback()}
	if b.advertiseHost, b.advertisePort, err = n.advertised(ip); err != nil {
		return binding{}, err
	}
	t, err := listen(b.host, port, n.lines.logger())
	if err != nil {
		return binding{}, err
	}
	b.transport, b.port = t, t.GetAutoBindPort()
	if b.advertisePort == 0 {
		b.advertisePort = b.port
	}
	return b, nil
}

// advertised returns what to advertise for an address to listen on. Port 0 is that of
// the listener.
func (n *Node) advertised(listen net.IP) (host string, port int, err error) {
	if n.cfg.Advertise != "" {
		name, port, err := splitAddr(n.cfg.Advertise)
		if err != nil {
			return "", 0, err
		}
		ip, err := n.ipOf(name)
		if err != nil {
			return "", 0, err
		}
		return ip.String(), port, nil
	}
	if !listen.IsUnspecified() {
		return listen.String(), 0, nil
	}
	ip, err := ownIP()
	if err != nil {
		return "", 0, err
	}
	return ip.String(), 0, nil
}

// ipOf returns the first address of a host.
func (n *Node) ipOf(host string) (net.IP, error) {
	if host == "" {
		return net.IPv4zero, nil
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	ips, err := n.cfg.Resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, s := range ips {
		if ip := net.ParseIP(s); ip != nil {
			return ip, nil
		}
	}
	return nil, fmt.Errorf("no address for %q", host)
}

// ownIP returns an address of this machine that others may reach: a private one if there
// is one, IPv4 before IPv6.
func ownIP() (net.IP, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var best net.IP
	rank := 0
	for _, a := range addrs {
		if p, ok := a.(*net.IPNet); ok {
			if r := rankIP(p.IP); r > rank {
				best, rank = p.IP, r
			}
		}
	}
	if best == nil {
		return nil, errors.New("this machine has no address to advertise, name one")
	}
	return best, nil
}

func rankIP(ip net.IP) int {
	switch v4 := ip.To4() != nil; {
	case !ip.IsGlobalUnicast():
		return 0
	case ip.IsPrivate() && v4:
		return 4
	case v4:
		return 3
	case ip.IsPrivate():
		return 2
	default:
		return 1
	}
}
