package main

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"rollcall/lbsync"
)

// What is asked for is judged by functions of what the registry holds at one moment; applied_wait.go looks for that
// moment.

// An aim is what `registry applied` waits for.
type aim struct {
	// key is absolute, with a slash in front and without one at its end.
	key string
	// gone asks that the host gets nothing any more, instead of that it is served.
	gone bool
	// least is how many balancers have to report at least.
	least int
}

// A balancerReport is one balancer's report and where it lies.
type balancerReport struct {
	// id is the report's key below the directory of the prefix.
	id string
	lbsync.Report
	// broken tells that the value is not a report that this program understands.
	broken bool
}

// name is how a person knows the balancer.
func (b balancerReport) name() string {
	if b.broken {
		return path.Base(b.id)
	}
	return b.Name + " " + path.Base(b.Config)
}

// A sight is what the registry holds of the aim at one moment.
type sight struct {
	// present tells whether the key exists, value is what it holds.
	present bool
	value   string
	// reports are all that lie in the directories of the key's prefixes, sorted.
	reports []balancerReport
}

// A finding is what one balancer does about the aim.
type finding struct {
	id, name string
	done     bool
	// words say how it is done, or what is missing.
	words string
}

// prefixes are the directories above the key, the nearest first: any of them may be a service's prefix.
func (a aim) prefixes() []string {
	var out []string
	for dir := path.Dir(a.key); dir != "/"; dir = path.Dir(dir) {
		out = append(out, dir)
	}
	return out
}

// below is the key relative to a prefix; ok is false when it is not below it.
func (a aim) below(prefix string) (key string, ok bool) {
	return strings.CutPrefix(a.key, "/"+strings.Trim(prefix, "/")+"/")
}

// entries are the report's hosts that are the aim's: those with its key, or without any key and with an address that the
// key is known to have had. Such a host was held over a restart of lbsync.
func (a aim) entries(r lbsync.Report, addrs map[netip.AddrPort]bool) []lbsync.HostReport {
	key, ok := a.below(r.Prefix)
	if !ok {
		return nil
	}
	var named, nameless []lbsync.HostReport
	for _, h := range r.Hosts {
		switch {
		case h.Key == key:
			named = append(named, h)
		case h.Key == "-" && addrs[h.Addr]:
			nameless = append(nameless, h)
		}
	}
	return slices.Concat(named, nameless)
}

// judge says of each balancer whether it has done what the aim wants. addrs are all addresses that the key has had.
func (a aim) judge(s sight, addrs map[netip.AddrPort]bool) []finding {
	var out []finding
	for _, r := range s.reports {
		f := finding{id: r.id, name: r.name(), words: "its report cannot be read"}
		if !r.broken {
			entries := a.entries(r.Report, addrs)
			if a.gone {
				f.done, f.words = hasLetGo(entries)
			} else {
				f.done, f.words = isServed(entries, lbsync.ValueHash(s.value))
			}
		}
		out = append(out, f)
	}
	return out
}

// isServed tells whether a balancer serves the host with the value of that hash.
func isServed(entries []lbsync.HostReport, hash string) (done bool, words string) {
	words = "not in its pool"
	for _, h := range entries {
		switch {
		case h.Hash != hash:
			words = "serves an older value"
		case h.State != string(lbsync.Up):
			words = "has it as " + printable(h.State)
		default:
			return true, "serves it"
		}
	}
	return false, words
}

// hasLetGo tells whether a balancer sends nothing new to the host and has no session with it.
func hasLetGo(entries []lbsync.HostReport) (done bool, words string) {
	words = "does not have it"
	for _, h := range entries {
		switch h.State {
		case lbsync.ReportLeaving, string(lbsync.Drain), string(lbsync.Down):
			words = "has no session with it"
		default:
			return false, "still serves it"
		}
	}
	for _, h := range entries {
		if h.Sessions > 0 {
			return false, "still " + plural(h.Sessions, "session")
		}
	}
	return true, words
}

// missing says what the registry itself lacks for the aim; empty for nothing.
func (a aim) missing(s sight) string {
	switch {
	case a.gone && s.present && !asksForNothing(s.value):
		return "the entry is still there and asks for traffic"
	case !a.gone && !s.present:
		return "there is no such entry"
	case len(s.reports) == 0:
		return "no balancer reports on " + strings.Join(a.prefixes(), " or ")
	case len(s.reports) < a.least:
		return fmt.Sprintf("%d of %d balancers report", len(s.reports), a.least)
	}
	return ""
}

// asksForNothing tells whether a value asks for no traffic, or cannot be used, so that nobody will send any.
func asksForNothing(value string) bool {
	server, err := lbsync.ParseValue(value, 1)
	return err != nil || server.State != lbsync.Up
}

// hint says why a present entry may never be served; empty for no reason.
func (a aim) hint(s sight) string {
	if a.gone || !s.present {
		return ""
	}
	server, err := lbsync.ParseValue(s.value, 1)
	switch {
	case err != nil:
		return "the entry cannot be used: " + strings.TrimPrefix(err.Error(), "entry rejected: ")
	case server.State != lbsync.Up:
		return "the entry asks for " + string(server.State)
	}
	return ""
}

// done tells whether the aim is reached.
func (a aim) done(s sight, findings []finding) bool {
	return a.missing(s) == "" && !slices.ContainsFunc(findings, func(f finding) bool { return !f.done })
}

// learn adds the addresses that the key has in the sight.
func (a aim) learn(s sight, addrs map[netip.AddrPort]bool) {
	if server, err := lbsync.ParseValue(s.value, 0); s.present && err == nil && server.Host == "" {
		addrs[server.Addr] = true
	}
	for _, r := range s.reports {
		key, ok := a.below(r.Prefix)
		for _, h := range r.Hosts {
			if ok && h.Key == key {
				addrs[h.Addr] = true
			}
		}
	}
}

// lack says at the time-out what is missing, one reason after another.
func (a aim) lack(s sight, findings []finding) string {
	var reasons []string
	for _, reason := range []string{a.missing(s), a.hint(s)} {
		if reason != "" {
			reasons = append(reasons, reason)
		}
	}
	for _, f := range findings {
		if !f.done {
			reasons = append(reasons, f.name+": "+f.words)
		}
	}
	return strings.Join(reasons, "; ")
}
