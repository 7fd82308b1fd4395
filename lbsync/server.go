package lbsync

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"
)

// State says what an entry asks the balancers to do with its server.
type State string

const (
	// Up takes traffic. It is the state of an entry that names none.
	Up State = "up"
	// Drain finishes what it has and gets nothing new where the balancer can do that.
	Drain State = "drain"
	// Down gets nothing.
	Down State = "down"
)

const (
	// DefaultWeight is the weight of an entry that names none.
	DefaultWeight = 100
	// MaxWeight is the highest weight that all balancers take.
	MaxWeight = 256
	// MaxMaxConn is the highest limit of connections that an entry may ask for.
	MaxMaxConn = 1_000_000
	// MaxSlowStart is the longest slow start that an entry may ask for.
	MaxSlowStart = time.Hour
)

// A Server is one entry, parsed. Every field is of a kind that can be written into a balancer's file: addresses, numbers
// and words of a narrow set of characters.
type Server struct {
	// Addr is where the server listens. Until a host name is resolved, only its port is set.
	Addr netip.AddrPort
	// Host is the host name that the entry gave instead of an IP address, in lower case, or empty. It is for the
	// resolver only and is never written to a file.
	Host string
	// Weight is the share of traffic, 1 to 256, relative to the other servers of the pool.
	Weight int
	// State is what the entry asks for.
	State State
	// Zone is the entry's availability zone, of letters, digits, '.', '_' and '-', or empty.
	Zone string
	// Backup marks a server that gets traffic only when all others are out.
	Backup bool
	// InstanceID is the host's identity, of the same characters as Zone, or empty.
	InstanceID string
	// MaxConn is how many connections the server takes at a time; 0 is no limit.
	MaxConn int
	// SlowStart is how long a server that comes up gets less than its share; 0 is none. Whole seconds.
	SlowStart time.Duration
}

// Name is the server's name in a balancer's file. It is a function of the address alone and different for different
// addresses, so that a name can never come to mean another host: s_10.0.1.1_8080, s_2001:db8::1_8080.
func (s Server) Name() string {
	return "s_" + s.Addr.Addr().String() + "_" + strconv.Itoa(int(s.Addr.Port()))
}

// Value is the entry's value in its canonical form, which [ParseValue] reads back into an equal Server.
func (s Server) Value() string {
	addr := s.Host
	if addr == "" {
		addr = s.Addr.Addr().String()
	}
	text, err := json.Marshal(valueForm{
		addr, s.Backup, s.InstanceID, s.MaxConn, s.Addr.Port(), int(s.SlowStart / time.Second), s.State, s.Weight, s.Zone,
	})
	if err != nil {
		panic("lbsync: a server always has a JSON form: " + err.Error())
	}
	return string(text)
}

// valueForm is a value's form in JSON.
type valueForm struct {
	Addr       string `json:"addr"`
	Backup     bool   `json:"backup"`
	InstanceID string `json:"instance_id"`
	MaxConn    int    `json:"maxconn"`
	Port       uint16 `json:"port"`
	SlowStart  int    `json:"slowstart"`
	State      State  `json:"state"`
	Weight     int    `json:"weight"`
	Zone       string `json:"zone"`
}

// compare orders servers by address and port.
func (s Server) compare(o Server) int {
	return cmp.Or(s.Addr.Addr().Compare(o.Addr.Addr()), cmp.Compare(s.Addr.Port(), o.Addr.Port()))
}
