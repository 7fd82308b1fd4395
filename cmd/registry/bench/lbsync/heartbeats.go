package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"rollcall/cmd/registry/bench/kit"
	"rollcall/lbsync/lbtest/ports"
)

const (
	// beatPeriod is how often each host heartbeats, and beatTTL its lease.
	beatPeriod = 5 * time.Second
	beatTTL    = 15 * time.Second
	// firstTTL is the lease that lasts until the heartbeats begin.
	firstTTL = time.Minute
)

// runHeartbeats is the row of hosts that only say that they are still there, which is to cost lbsync next to nothing.
func runHeartbeats(ctx context.Context, b *bench, rep *report) error {
	port, err := ports.Free(ctx)
	if err != nil {
		return err
	}
	addrs := addresses(1, b.beating, port)
	r, err := b.newRig(ctx, setting{name: "heartbeats", addrs: addrs, ttl: firstTTL, port: port})
	if err != nil {
		return err
	}
	defer r.stop()
	beats, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- r.registry.beat(beats, addrs, beatTTL, beatPeriod, func(string) bool { return true })
	}()
	before, after, err := r.watchIdle(ctx, b.calm, time.Duration(b.idle)*time.Second)
	end()
	if beatErr := <-done; err == nil {
		err = beatErr
	}
	if err != nil {
		return err
	}
	work := fmt.Sprintf("%d hosts heartbeat each %s, %d s", b.beating, beatPeriod, b.idle)
	elapsed := after.at.Sub(before.at)
	rep.add(
		figure{work, "lbsync", "files written", kit.AtMost(0), float64(after.writes(before))},
		figure{work, nameHAProxy, "reloads", kit.AtMost(0), float64(after.haproxy - before.haproxy)},
		figure{work, nameNginx, "reloads", kit.AtMost(0), float64(after.nginx - before.nginx)},
		figure{work, "lbsync", "% of a processor", kit.AtMost(1), 100 * float64(after.cpu-before.cpu) / float64(elapsed)},
	)
	return nil
}

// An idleState is what must not change while nothing changes, and lbsync's processor time.
type idleState struct {
	at             time.Time
	written        []time.Time // of the files
	haproxy, nginx int         // reloads
	cpu            time.Duration
}

func (s idleState) writes(before idleState) int {
	n := 0
	for i := range s.written {
		if !s.written[i].Equal(before.written[i]) {
			n++
		}
	}
	return n
}

// watchIdle looks at the beginning and at the end of some time, once the start of lbsync has come to its end.
func (r *rig) watchIdle(ctx context.Context, settle, d time.Duration) (before, after idleState, err error) {
	if err := kit.Pause(ctx, settle); err != nil {
		return before, after, err
	}
	if before, err = r.idleState(ctx); err != nil {
		return before, after, err
	}
	if err := kit.Pause(ctx, d); err != nil {
		return before, after, err
	}
	after, err = r.idleState(ctx)
	return before, after, err
}

func (r *rig) idleState(ctx context.Context) (s idleState, err error) {
	s.at = time.Now()
	for _, path := range []string{r.haproxy.conf.Config, r.nginx.conf.Config} {
		info, err := os.Stat(path)
		if err != nil {
			return s, err
		}
		s.written = append(s.written, info.ModTime())
	}
	if s.haproxy, err = r.haproxy.reloads(ctx); err != nil {
		return s, err
	}
	if s.nginx, err = r.nginx.reloads(ctx); err != nil {
		return s, err
	}
	s.cpu, err = r.lbsync.cpu()
	return s, err
}
