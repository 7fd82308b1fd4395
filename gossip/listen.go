package gossip

import (
	"context"
	"log"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
)

// netTransport is memberlist's transport over TCP and UDP with dials that end when it
// is shut down.
type netTransport struct {
	*memberlist.NetTransport

	dial func(addr string, timeout time.Duration) (net.Conn, error)
	stop context.CancelFunc
}

// listen opens TCP and UDP on an address. Both get the same port, so a free one is
// looked for a few times.
func listen(host string, port int, l *log.Logger) (*netTransport, error) {
	tries := 1
	if port == 0 {
		tries = 10
	}
	var inner *memberlist.NetTransport
	var err error
	for range tries {
		inner, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{host}, BindPort: port, Logger: l,
		})
		if err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	dial := func(addr string, timeout time.Duration) (net.Conn, error) {
		return (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp", addr)
	}
	return &netTransport{NetTransport: inner, dial: dial, stop: stop}, nil
}

// DialTimeout opens a TCP connection.
func (t *netTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.dial(addr, timeout)
}

// DialAddressTimeout opens a TCP connection.
func (t *netTransport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.dial(a.Addr, timeout)
}

// Shutdown closes the listeners and ends all dials.
func (t *netTransport) Shutdown() error {
	t.stop()
	return t.NetTransport.Shutdown()
}
