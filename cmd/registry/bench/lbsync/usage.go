package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

const (
	// calmWait bounds the wait for the machine to be quiet before a row.
	calmWait = 15 * time.Second
	// calmShare is what the machine may be in use then, in percent.
	calmShare = 15
)

// A usage is processor time since the start, and when it was read.
type usage struct {
	at      time.Time
	machine time.Duration // all processes of the machine, and what other machines took from it
	own     time.Duration // this process and all that it has started
}

func readUsage() (usage, error) {
	u := usage{at: time.Now()}
	var err error
	if u.machine, err = kit.BusyTime(); err != nil {
		return u, err
	}
	u.own, err = kit.OwnCPU()
	return u, err
}

// strangers is the part of all processors that went to what does not belong to the benchmark since then, in percent. Such
// a neighbour makes all figures worse.
func (u usage) strangers(then usage) float64 {
	all := u.at.Sub(then.at) * time.Duration(runtime.NumCPU())
	return max(0, 100*float64(u.machine-then.machine-(u.own-then.own))/float64(all))
}

// waitCalm waits until the machine has nearly nothing to do, but not for ever.
func (b *bench) waitCalm(ctx context.Context) error {
	if b.short {
		return nil
	}
	for end := time.Now().Add(calmWait); time.Now().Before(end); {
		before, err := readUsage()
		if err != nil {
			return err
		}
		if err := kit.Pause(ctx, time.Second); err != nil {
			return err
		}
		after, err := readUsage()
		if err != nil || after.strangers(before) <= calmShare {
			return err
		}
	}
	return nil
}

// watched runs a row and says what others took of the processors meanwhile.
func (b *bench) watched(ctx context.Context, r row, rep *report) error {
	if err := b.waitCalm(ctx); err != nil {
		return err
	}
	before, err := readUsage()
	if err != nil {
		return err
	}
	if err := r.Run(ctx, b, rep); err != nil {
		return err
	}
	after, err := readUsage()
	if err != nil {
		return err
	}
	rep.facts = append(rep.facts, fmt.Sprintf("%s took %.0f s; others used %s %% of the processors meanwhile",
		r.Name, after.at.Sub(before.at).Seconds(), kit.Number(after.strangers(before))))
	return nil
}
