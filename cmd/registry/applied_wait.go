package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall/lbsync"
	"rollcall/registry/client"
)

const (
	// appliedRelist is how often the registry is asked without an event: what a watch has missed costs no longer than this.
	appliedRelist = 2 * time.Second
	// reportVersion is the version of reports that this program understands.
	reportVersion = 1
)

// A waiter waits for an aim.
type waiter struct {
	aim    aim
	client *client.Client
	// root is the directory of all reports.
	root string
	// progress gets a line for each balancer that is done.
	progress io.Writer

	// addrs are the addresses that the key has had since the waiter began.
	addrs map[netip.AddrPort]bool
	// told are the balancers of which progress knows.
	told map[string]bool
	// last is what was missing at the latest look, for the message at the time-out.
	last string
	// away is the error while no node answers.
	away error
}

// wait returns nil when the aim is reached, and an error with exitTimeout when limit is over before that. While the
// registry is away it goes on trying; only the first look has to succeed.
func (w *waiter) wait(ctx context.Context, limit time.Duration) error {
	var group sync.WaitGroup
	defer group.Wait()
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	index, done, err := w.look(waiting)
	if err != nil && waiting.Err() == nil {
		return err
	}
	changed := make(chan struct{}, 1)
	for _, key := range append(w.dirs(), w.aim.key) {
		group.Go(func() { w.follow(waiting, key, index, changed) })
	}
	for !done {
		select {
		case <-waiting.Done():
			return cmp.Or(ctx.Err(), w.away, w.timeout(limit))
		case <-changed:
		case <-time.After(appliedRelist):
		}
		_, done, err = w.look(waiting)
		if err != nil && waiting.Err() == nil && !client.IsUnavailable(err) {
			return err
		}
	}
	return nil
}

func (w *waiter) timeout(limit time.Duration) error {
	missing := cmp.Or(w.last, "the registry has not answered")
	return &codeError{exitTimeout, fmt.Errorf("%s is not %s within %v: %s", w.aim.key, w.wanted(), limit, missing)}
}

func (w *waiter) wanted() string {
	if w.aim.gone {
		return "gone everywhere"
	}
	return "served everywhere"
}

// dirs are the directories in which reports about the key may lie.
func (w *waiter) dirs() []string {
	var out []string
	for _, prefix := range w.aim.prefixes() {
		out = append(out, lbsync.ReportDir(w.root, prefix))
	}
	return out
}

// look compares the registry with the aim once. It returns an index from which watches can go on.
func (w *waiter) look(ctx context.Context) (index uint64, done bool, err error) {
	s, index, err := w.see(ctx)
	if ctx.Err() == nil {
		w.away = err
	}
	if err != nil {
		return 0, false, err
	}
	w.aim.learn(s, w.addrs)
	findings := w.aim.judge(s, w.addrs)
	w.tell(findings)
	w.last = w.aim.lack(s, findings)
	return index, w.aim.done(s, findings), nil
}

// tell prints a line for each balancer that has become done. One that is no longer done will be told of again.
func (w *waiter) tell(findings []finding) {
	for _, f := range findings {
		if f.done && !w.told[f.id] {
			fmt.Fprintf(w.progress, "%s: %s\n", printable(f.name), f.words)
		}
		w.told[f.id] = f.done
	}
}

// see reads the reports and then the key: a key that changes in between makes the reports too old, never too new.
func (w *waiter) see(ctx context.Context) (s sight, index uint64, err error) {
	for i, prefix := range w.aim.prefixes() {
		reports, at, err := w.reports(ctx, prefix)
		if err != nil {
			return s, 0, err
		}
		if i == 0 {
			index = at
		}
		s.reports = append(s.reports, reports...)
	}
	resp, err := w.client.Get(ctx, w.aim.key, client.GetOptions{})
	switch {
	case client.IsNotFound(err):
		return s, index, nil
	case err != nil:
		return s, 0, err
	case resp.Node == nil || resp.Node.Dir:
		return s, 0, fmt.Errorf("%s: %w", w.aim.key, errIsDirectory)
	}
	s.present, s.value = true, resp.Node.Value
	return s, index, nil
}

// reports reads what the balancers say about one prefix, and the index of that.
func (w *waiter) reports(ctx context.Context, prefix string) ([]balancerReport, uint64, error) {
	dir := lbsync.ReportDir(w.root, prefix)
	resp, err := w.client.Get(ctx, dir, client.GetOptions{Sorted: true})
	if client.IsNotFound(err) {
		refusal, _ := errors.AsType[*client.Error](err)
		return nil, refusal.Index, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var out []balancerReport
	for _, n := range resp.Node.Nodes {
		r := balancerReport{id: n.Key}
		if err := json.Unmarshal([]byte(n.Value), &r.Report); err != nil || r.Version != reportVersion {
			r.broken = true
		}
		if n.Dir || !r.broken && strings.Trim(r.Prefix, "/") != strings.Trim(prefix, "/") {
			continue // "/a:b" and "/a/b" share a directory.
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b balancerReport) int { return strings.Compare(a.id, b.id) })
	return out, resp.Index, nil
}

// follow signals each change of a key or below it until ctx ends. It cannot miss one for good: the waiter also looks
// without a signal.
func (w *waiter) follow(ctx context.Context, key string, after uint64, changed chan<- struct{}) {
	watcher := w.client.Watch(key, client.WatchOptions{AfterIndex: after, Recursive: true})
	for ctx.Err() == nil {
		_, err := watcher.Next(ctx)
		switch {
		case client.IsLostPlace(err):
			watcher = w.client.Watch(key, client.WatchOptions{Recursive: true})
		case err != nil && !client.IsUnavailable(err):
			return
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}
