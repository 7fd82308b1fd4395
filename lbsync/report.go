package lbsync

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultReport is the directory of the registry in which instances report.
	DefaultReport = "/_lbsync"
	// ReportNone as Config.Report switches reports off.
	ReportNone = "none"
	// ReportTTL is how long a report counts. It is renewed every third of that.
	ReportTTL = 15 * time.Second
)

// A Report says what one balancer serves of one service. It lies in the registry under [ReportDir], with [ReportTTL], for
// whoever wants to wait until a change has arrived everywhere.
type Report struct {
	Version    int       `json:"v"` // 1
	Name       string    `json:"name"`
	Kind       string    `json:"kind"`
	Config     string    `json:"config"`
	Service    string    `json:"service"`
	Prefix     string    `json:"prefix"`
	Generation string    `json:"generation"`
	InSync     bool      `json:"in_sync"`
	At         time.Time `json:"at"` // When the report became what it is.
	// Hosts are those that the balancer serves or is about to let go, sorted by key and address.
	Hosts []HostReport `json:"hosts"`
}

// HostReport is one host of a Report. In JSON it is one string, KEY ADDRESS STATE SESSIONS HASH.
type HostReport struct {
	// Key is below the service's prefix; "-" when it is not known any more.
	Key  string
	Addr netip.AddrPort
	// State is "up", "drain", "down" or "leaving".
	State string
	// Sessions counts the requests under way at a host that gets nothing new; 0 for one that is up.
	Sessions int
	// Hash is ValueHash of the entry's value that is served, or "-".
	Hash string
}

// ReportLeaving is the state of a host that gets nothing new and is finishing what it has.
const ReportLeaving = "leaving"

// MarshalText writes the one-line form.
func (h HostReport) MarshalText() ([]byte, error) {
	b := append(make([]byte, 0, 128), h.Key...)
	b = h.Addr.AppendTo(append(b, ' '))
	b = append(append(b, ' '), h.State...)
	b = strconv.AppendInt(append(b, ' '), int64(h.Sessions), 10)
	return append(append(b, ' '), h.Hash...), nil
}

var errHostReport = errors.New("not a host of a report")

// UnmarshalText reads the one-line form.
func (h *HostReport) UnmarshalText(text []byte) error {
	fields := strings.Fields(string(text))
	if len(fields) != 5 {
		return errHostReport
	}
	addr, err := netip.ParseAddrPort(fields[1])
	if err != nil {
		return errHostReport
	}
	sessions, err := strconv.Atoi(fields[3])
	if err != nil || sessions < 0 {
		return errHostReport
	}
	*h = HostReport{Key: fields[0], Addr: addr, State: fields[2], Sessions: sessions, Hash: fields[4]}
	return nil
}

// ReportDir is the directory of the reports about a prefix, below root.
func ReportDir(root, prefix string) string {
	return root + "/" + strings.ReplaceAll(strings.Trim(prefix, "/"), "/", ":")
}

// ValueHash names a value in reports: 8 hexadecimal digits.
func ValueHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:4])
}
