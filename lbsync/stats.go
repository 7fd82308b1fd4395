package lbsync

import (
	"maps"
	"time"
)

// A Step is where a change can fail.
type Step string

// The steps, in their order.
const (
	StepRender  Step = "render"
	StepRuntime Step = "runtime"
	StepWrite   Step = "write"
	StepCheck   Step = "check"
	StepReload  Step = "reload"
	StepVerify  Step = "verify"
)

// Steps lists all steps, for metrics that show each of them from the start.
func Steps() []Step {
	return []Step{StepRender, StepRuntime, StepWrite, StepCheck, StepReload, StepVerify}
}

// Stats is a snapshot of what a Syncer has done; it shares nothing with it.
type Stats struct {
	Registry RegistryStats
	// Services are in the order of their names.
	Services []ServiceStats
	// Targets are in the order of the configuration.
	Targets []TargetStats
	// Changes are the times from a change in the registry until a balancer was seen to serve it, by kind of balancer, in
	// seconds.
	Changes map[string]Histogram
}

// RegistryStats says how the registry answers.
type RegistryStats struct {
	// Reachable tells whether the latest request of every service was answered.
	Reachable bool
	// LastContact is the oldest of the services' latest answers; zero while one of them has none.
	LastContact time.Time
	// Failures counts requests that no node answered properly.
	Failures uint64
}

// ServiceStats describes one pool.
type ServiceStats struct {
	Name string
	// Servers counts the pool's servers by state; every state is there.
	Servers map[State]int
	// Hosts counts what is known by verdict; every verdict is there.
	Hosts map[Verdict]int
	// Preserving tells that hosts are held against the registry.
	Preserving bool
	// Rejected counts the entries that are rejected now, Rejections all that ever became so. Both hold every reason.
	Rejected   map[Reason]int
	Rejections map[Reason]uint64
}

// TargetStats describes one file.
type TargetStats struct {
	// Config is the path and Kind the balancer, "haproxy" or "nginx".
	Config, Kind string
	// InSync tells whether the last round ended with the balancer running what the pools ask for.
	InSync bool
	// LastSuccess is when it last did; zero is never.
	LastSuccess time.Time
	// Applied counts changes that the balancer was seen to take.
	Applied uint64
	// Failures counts rounds that failed, by step; every step is there.
	Failures map[Step]uint64
	// Reloads counts the reloads by result, "success" or "failure"; both are there.
	Reloads map[string]uint64
	// Commands counts runtime commands that changed something, Drift the rounds in which they repaired what somebody else
	// had done.
	Commands, Drift uint64
	// OldWorkers counts processes that still finish connections with a former configuration, Leaving the servers that
	// are removed and not yet without sessions.
	OldWorkers, Leaving int
	// Generation names the applied file; empty while it is not known.
	Generation string
}

func newTargetStats(config, kind string) TargetStats {
	s := TargetStats{
		Config: config, Kind: kind,
		Failures: map[Step]uint64{}, Reloads: map[string]uint64{"success": 0, "failure": 0},
	}
	for _, step := range Steps() {
		s.Failures[step] = 0
	}
	return s
}

// Stats returns a snapshot. It may be called at any time, from any goroutine.
func (s *Syncer) Stats() Stats {
	stats := Stats{Registry: RegistryStats{Reachable: true}}
	for i, svc := range s.services {
		service, contact := svc.stats()
		stats.Services = append(stats.Services, service)
		r := &stats.Registry
		r.Reachable = r.Reachable && contact.reachable
		r.Failures += contact.failures
		if i == 0 || contact.last.Before(r.LastContact) {
			r.LastContact = contact.last
		}
	}
	stats.Changes = map[string]Histogram{}
	for _, t := range s.targets {
		target, delays := t.snapshotStats()
		stats.Targets = append(stats.Targets, target)
		stats.Changes[target.Kind] = stats.Changes[target.Kind].plus(delays)
	}
	return stats
}

func (s *service) stats() (ServiceStats, contact) {
	out := ServiceStats{
		Name:     s.name,
		Servers:  map[State]int{Up: 0, Drain: 0, Down: 0},
		Hosts:    map[Verdict]int{},
		Rejected: map[Reason]int{}, Rejections: map[Reason]uint64{},
	}
	for _, v := range Verdicts() {
		out.Hosts[v] = 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.pool.Servers {
		out.Servers[server.State]++
	}
	for _, reason := range Reasons() {
		out.Rejected[reason], out.Rejections[reason] = 0, s.rejects[reason]
	}
	for _, r := range s.rejected {
		out.Rejected[r.Reason]++
	}
	for _, h := range s.decided.hosts {
		out.Hosts[h.Verdict]++
	}
	out.Hosts[VerdictRejected] = len(s.rejected)
	out.Preserving = s.decided.preserving != ""
	return out, s.contact
}

func (t *target) snapshotStats() (TargetStats, Histogram) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.stats
	out.Failures, out.Reloads = maps.Clone(out.Failures), maps.Clone(out.Reloads)
	return out, t.delays.clone()
}
