package haproxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// oldTimeout bounds what asking after old workers adds to a round. They answer within a millisecond, or hang.
	oldTimeout = 200 * time.Millisecond
	// oldPause is how long one that has not answered is left alone.
	oldPause = 5 * time.Second
)

// An oldWorker finishes connections with a former configuration.
type oldWorker struct {
	// sessions are the requests under way by server, where there are any, as it has told last.
	sessions map[ref]int
	// deaf is until when it is not asked, because it has not answered.
	deaf time.Time
}

// oldWorkers asks the master, when there is a socket of it. That the master or an old worker does not answer is no
// failure: both come and go with every reload, and what was known of them stands.
func (d *Driver) oldWorkers(ctx context.Context) []oldWorker {
	if d.master == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, oldTimeout)
	defer cancel()
	if procs, err := askMaster(ctx, d.master); err == nil {
		d.meetOld(ctx, procs.old)
	}
	return slices.Collect(maps.Values(d.old))
}

// meetOld forgets the old workers that are gone and asks the others for their sessions.
func (d *Driver) meetOld(ctx context.Context, old []process) {
	before := d.old
	d.old = make(map[int]oldWorker, len(old))
	for _, p := range old {
		w := before[p.pid]
		if now := time.Now(); now.After(w.deaf) && ctx.Err() == nil {
			if sessions, err := sessionsOf(ctx, worker{d.master, p.pid}); err == nil {
				w = oldWorker{sessions: sessions}
			} else {
				w.deaf = now.Add(oldPause)
			}
		}
		d.old[p.pid] = w
	}
}

// sessionsOf asks for the servers that have requests under way.
func sessionsOf(ctx context.Context, a asker) (map[ref]int, error) {
	reply, err := a.ask(ctx, askStat)
	if err != nil {
		return nil, fmt.Errorf("old worker: %w", err)
	}
	var run running
	if err := run.readStat(reply); err != nil {
		return nil, fmt.Errorf("old worker: %w", err)
	}
	sessions := map[ref]int{}
	for _, servers := range run.backends {
		for _, s := range servers {
			if s.sessions > 0 {
				sessions[s.ref] = s.sessions
			}
		}
	}
	return sessions, nil
}
