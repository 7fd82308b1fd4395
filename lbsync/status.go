package lbsync

import (
	"net/netip"
	"slices"
	"time"
)

// Status is what a Syncer knows and has decided, for people and for programs. Its JSON form is that of /status.
type Status struct {
	// Name is the instance's name, see Config.Name.
	Name     string          `json:"name"`
	Time     time.Time       `json:"time"`
	Services []ServiceStatus `json:"services"`
	Targets  []TargetStatus  `json:"targets"`
}

// ServiceStatus is one pool.
type ServiceStatus struct {
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	// Reachable tells whether the latest request was answered, LastContact when one was.
	Reachable   bool      `json:"reachable"`
	LastContact time.Time `json:"last_contact,omitzero"`
	// Index is the registry's index of what the pool was made from.
	Index uint64 `json:"index"`
	// Preserving tells that hosts are held against the registry, and why in words.
	Preserving string `json:"preserving,omitempty"`
	// Hosts are all that is known of the service, sorted by address and key: in the pool or not.
	Hosts []HostStatus `json:"hosts"`
}

// A Verdict says where a host stands.
type Verdict string

// The verdicts.
const (
	// VerdictIn is in the pool, as the registry says.
	VerdictIn Verdict = "in"
	// VerdictHeld is in the pool although the registry no longer lists it.
	VerdictHeld Verdict = "held"
	// VerdictDraining is in the pool without new traffic, as its entry asks.
	VerdictDraining Verdict = "draining"
	// VerdictDown is in the pool and switched off, as its entry asks.
	VerdictDown Verdict = "down"
	// VerdictDamped is kept out for a while because it came and went too often.
	VerdictDamped Verdict = "damped"
	// VerdictRejected is out because its entry is not usable.
	VerdictRejected Verdict = "rejected"
	// VerdictOut was in the pool and has left it lately.
	VerdictOut Verdict = "out"
	// VerdictFallback is in the pool because nothing else is.
	VerdictFallback Verdict = "fallback"
)

// Verdicts lists all verdicts.
func Verdicts() []Verdict {
	return []Verdict{
		VerdictIn, VerdictHeld, VerdictDraining, VerdictDown, VerdictDamped, VerdictRejected, VerdictOut, VerdictFallback,
	}
}

// HostStatus is one host.
type HostStatus struct {
	// Key is the entry's key below the prefix; empty for a fallback server.
	Key string `json:"key,omitempty"`
	// Addr is invalid for rejected entries without an address.
	Addr    netip.AddrPort `json:"addr,omitzero"`
	Verdict Verdict        `json:"verdict"`
	// Reason says why in words.
	Reason string `json:"reason"`
	// Since is when the verdict became so, Until when it ends by itself; zero for never.
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
}

// TargetStatus is one balancer's file.
type TargetStatus struct {
	Config   string   `json:"config"`
	Kind     string   `json:"kind"`
	Services []string `json:"services"`
	// Desired, Written and Applied are generations: 16 hexadecimal digits that change with the file; empty for unknown.
	Desired string `json:"desired"`
	Written string `json:"written"`
	Applied string `json:"applied"`
	InSync  bool   `json:"in_sync"`
	// Since is when InSync became what it is.
	Since time.Time `json:"since"`
	// Step and Error describe the latest failure while it lasts.
	Step  Step   `json:"step,omitempty"`
	Error string `json:"error,omitempty"`
	// Reload is the latest reload.
	Reload ReloadStatus `json:"reload,omitzero"`
	// Servers are what the balancer runs, as far as it tells.
	Servers []ServedStatus `json:"servers"`
}

// ReloadStatus is one reload.
type ReloadStatus struct {
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took_ns"`
	Reason string        `json:"reason"`
	Error  string        `json:"error,omitempty"`
}

// ServedStatus is a server of a running balancer.
type ServedStatus struct {
	Service  string         `json:"service"`
	Addr     netip.AddrPort `json:"addr"`
	State    State          `json:"state"`
	Leaving  bool           `json:"leaving,omitempty"`
	Sessions int            `json:"sessions"`
	Health   string         `json:"health"`
}

// Status returns what is known and decided now. It may be called at any time, from any goroutine.
func (s *Syncer) Status() Status {
	out := Status{Name: s.name, Time: time.Now()}
	for _, svc := range s.services {
		out.Services = append(out.Services, svc.status())
	}
	for _, t := range s.targets {
		out.Targets = append(out.Targets, t.snapshotStatus())
	}
	return out
}

func (s *service) status() ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ServiceStatus{
		Name: s.name, Prefix: s.conf.Prefix,
		Reachable: s.contact.reachable, LastContact: s.contact.last, Index: s.index,
		Preserving: s.decided.preserving, Hosts: slices.Clone(s.decided.hosts),
	}
	for _, r := range s.rejected {
		out.Hosts = append(out.Hosts, HostStatus{
			Key: r.Key, Verdict: VerdictRejected, Reason: string(r.Reason), Since: r.since,
		})
	}
	return out
}

func (t *target) snapshotStatus() TargetStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.status
	out.Servers = make([]ServedStatus, len(t.served))
	for i, s := range t.served {
		out.Servers[i] = ServedStatus(s)
	}
	return out
}
