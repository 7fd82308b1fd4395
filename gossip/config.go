package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
)

// Defaults of [Config].
const (
	DefaultDigestInterval = 2 * time.Second
	DefaultRejoinInterval = 10 * time.Second
	DefaultKeyInterval    = 2 * time.Second
	DefaultAloneAfter     = 10 * time.Second
	DefaultSettle         = 2 * time.Second
)

// DirectMembers is the largest number of members, own included, with which each node
// pushes to all others. With more of them changes spread as an epidemic.
const DirectMembers = 16

// Config configures a [Node]. Name, State and Log are required, and Listen or Transport.
type Config struct {
	// Name is the node's name, unique in the cluster, up to 128 bytes.
	Name string
	// Cluster is the cluster's name. Nodes of another cluster are kept out. It travels
	// unencrypted with every packet; up to 255 bytes.
	Cluster string
	// Listen is the address to listen on with TCP and UDP, HOST:PORT. Port 0 takes a
	// free one.
	Listen string
	// Advertise is the address the others reach this node at, HOST:PORT. Empty means
	// that of Listen, or with an unspecified one, a private address of this machine.
	Advertise string
	// Seeds are nodes to join, HOST:PORT. A host may be a name with many addresses; all
	// of them are tried. Own addresses among them do no harm.
	Seeds []string
	// KeyFile holds the keys of the cluster in base64, 16, 24 or 32 bytes each, one a
	// line. The first encrypts, all decrypt. Empty means that nothing is encrypted;
	// changing that needs a restart of all nodes.
	KeyFile string
	// PeersFile is where the addresses of peers are kept, to be tried beside the seeds
	// by the next run. Empty means that they are not kept.
	PeersFile string
	// ClientURLs are told to the others. They share some 480 bytes; those which do not
	// fit are left out from the end.
	ClientURLs []string
	// Tag is told to the others, see [Node.SetTag].
	Tag uint8

	// State is what is replicated.
	State State
	// Log receives what the node and memberlist have to say.
	Log *slog.Logger
	// OnMembers is called with all members at every change, after [State.Alive], always
	// by the same goroutine. It delays only later calls. It may be nil.
	OnMembers func([]Member)

	// DigestInterval is how often a random peer is asked for what is missing here, 0
	// means [DefaultDigestInterval]. Above 32 members it grows with their logarithm.
	DigestInterval time.Duration
	// RejoinInterval is the longest time between two attempts to join seeds and former
	// peers that are no members, 0 means [DefaultRejoinInterval].
	RejoinInterval time.Duration
	// KeyInterval is how often KeyFile is looked at, 0 means [DefaultKeyInterval].
	KeyInterval time.Duration
	// AloneAfter is how long a node with seeds looks for a peer before it becomes ready
	// without one, 0 means [DefaultAloneAfter].
	AloneAfter time.Duration
	// NeedsPeer makes a node that has lost its state wait for a peer that is ready,
	// however long that takes.
	NeedsPeer bool
	// Settle is how long nodes of which none is ready, as when all start at once, wait
	// for more to join before they become ready together; 0 means [DefaultSettle].
	Settle time.Duration

	// Transport replaces TCP and UDP on Listen, for tests.
	Transport memberlist.NodeAwareTransport
	// Resolve returns the addresses of a host name, for tests. Nil means the system's
	// resolver.
	Resolve func(ctx context.Context, host string) ([]string, error)
}

// validate checks what was given, before anything is opened.
func (c *Config) validate() error {
	switch {
	case c.Name == "" || len(c.Name) > 128:
		return errors.New("gossip: a node's name has 1 to 128 bytes")
	case len(c.Cluster) > memberlist.LabelMaxSize:
		return fmt.Errorf("gossip: the cluster's name is longer than %d bytes", memberlist.LabelMaxSize)
	case c.State == nil || c.Log == nil:
		return errors.New("gossip: State and Log are required")
	case c.State.Author() == 0:
		return errors.New("gossip: the author id must not be 0")
	case c.Listen == "" && c.Transport == nil:
		return errors.New("gossip: no address to listen on")
	}
	for _, d := range []time.Duration{c.DigestInterval, c.RejoinInterval, c.KeyInterval, c.AloneAfter, c.Settle} {
		if d < 0 {
			return fmt.Errorf("gossip: negative interval %v", d)
		}
	}
	if c.NeedsPeer && len(c.Seeds) == 0 {
		return errors.New("gossip: a node that needs a peer needs seeds")
	}
	for _, s := range c.Seeds {
		if _, _, err := splitAddr(s); err != nil {
			return fmt.Errorf("gossip: seed: %w", err)
		}
	}
	return nil
}

// setDefaults fills in what was left out.
func (c *Config) setDefaults() {
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{
		{&c.DigestInterval, DefaultDigestInterval},
		{&c.RejoinInterval, DefaultRejoinInterval},
		{&c.KeyInterval, DefaultKeyInterval},
		{&c.AloneAfter, DefaultAloneAfter},
		{&c.Settle, DefaultSettle},
	} {
		if *d.at == 0 {
			*d.at = d.value
		}
	}
	if c.Resolve == nil {
		c.Resolve = net.DefaultResolver.LookupHost
	}
}

// splitAddr parses HOST:PORT with a port in digits.
func splitAddr(addr string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not HOST:PORT", addr)
	}
	p, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q has no port in digits", addr)
	}
	return host, int(p), nil
}

// joinAddr is the reverse of splitAddr.
func joinAddr(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}
