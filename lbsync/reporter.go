package lbsync

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// reportGap keeps reports of a busy time apart: each carries all hosts of a service.
	reportGap = 200 * time.Millisecond
	// reportTimeout bounds one report, so that a slow registry does not keep the others back.
	reportTimeout = 5 * time.Second
)

// A reporter tells the registry what the targets serve. Trouble with it changes nothing for the balancers.
type reporter struct {
	source  Source
	root    string
	name    string
	targets []*target
	changed <-chan struct{} // one slot: some target has changed
	log     *slog.Logger
	latest  map[string]sentReport // by key
	failing bool
}

// run reports changes soon and everything every third of ReportTTL, until ctx ends.
func (r *reporter) run(ctx context.Context) {
	tick := time.NewTicker(ReportTTL / 3)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-r.changed:
			r.report(ctx, changedOnly)
			sleep(ctx, reportGap)
		case <-tick.C:
			r.report(ctx, everything)
		case <-ctx.Done():
		}
	}
}

// A sentReport is what the registry has taken, and the same without its time, to compare.
type sentReport struct{ value, same string }

// scope says which reports to send.
type scope int

const (
	changedOnly scope = iota
	everything
)

func (r *reporter) report(ctx context.Context, what scope) {
	for _, t := range r.targets {
		for _, report := range t.reports(r.name) {
			r.send(ctx, report, what)
		}
	}
}

// send puts one report. One that says nothing new is the same to the letter, so that to the registry it is a renewal, of which
// nobody hears. What is not known to have arrived is sent again.
func (r *reporter) send(ctx context.Context, report Report, what scope) {
	key := ReportDir(r.root, report.Prefix) + "/" + r.name + "." + reportHash(report.Config, report.Service)
	report.At = time.Time{}
	same, err := json.Marshal(report)
	sent, known := r.latest[key]
	known = known && err == nil && sent.same == string(same)
	if known && what == changedOnly {
		return
	}
	if !known && err == nil {
		sent = sentReport{value: stamped(string(same), time.Now()), same: string(same)}
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, reportTimeout)
		defer cancel()
		err = r.source.Put(ctx, key, sent.value, ReportTTL)
	}
	if err != nil {
		delete(r.latest, key)
		if !r.failing && ctx.Err() == nil {
			r.log.Warn("report not taken", "error", err)
		}
		r.failing = true
		return
	}
	r.latest[key], r.failing = sent, false
}

// stamped returns an encoded report with its time in the place of none. To encode all hosts again would cost more.
func stamped(report string, at time.Time) string {
	return strings.Replace(report, `"at":"0001-01-01T00:00:00Z"`, `"at":"`+at.UTC().Format(time.RFC3339Nano)+`"`, 1)
}

// reportHash tells apart the reports of one instance about one prefix.
func reportHash(config, service string) string {
	if abs, err := filepath.Abs(config); err == nil {
		config = abs
	}
	sum := sha256.Sum256([]byte(config + "\x00" + service))
	return hex.EncodeToString(sum[:4])
}

// reports returns what the target serves, one report for each service; none before the balancer is known to run
// something.
func (t *target) reports(name string) []Report {
	t.mu.Lock()
	all, refs, status := slices.Clone(t.served), slices.Clone(t.refs), t.status
	t.mu.Unlock()
	if all == nil || status.Applied == "" {
		return nil
	}
	out := make([]Report, 0, len(t.services))
	for i, svc := range t.services {
		var mine []Served
		for _, s := range all {
			if s.Service == svc.name {
				mine = append(mine, s)
			}
		}
		out = append(out, Report{
			Version: 1, Name: name, Kind: status.Kind, Config: status.Config,
			Service: svc.name, Prefix: svc.conf.Prefix,
			Generation: status.Applied, InSync: status.InSync, Hosts: hostReports(mine, refs[i]),
		})
	}
	return out
}

func hostReports(all []Served, refs map[netip.AddrPort]hostRef) []HostReport {
	out := make([]HostReport, len(all))
	for i, one := range all {
		ref := refs[one.Addr]
		h := HostReport{Key: ref.key, Addr: one.Addr, State: string(one.State), Sessions: one.Sessions, Hash: ref.hash}
		if one.Leaving {
			h.State = ReportLeaving
		}
		if h.State == string(Up) {
			h.Sessions = 0 // They come and go, and nobody waits for their end.
		}
		h.Key, h.Hash = cmp.Or(h.Key, "-"), cmp.Or(h.Hash, "-")
		out[i] = h
	}
	slices.SortFunc(out, func(a, b HostReport) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), a.Addr.Compare(b.Addr))
	})
	return out
}
