package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"rollcall/lbsync/internal/procs"
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
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	if u.machine, err = parseBusy(string(stat)); err != nil {
		return u, err
	}
	own := map[int]bool{os.Getpid(): true}
	for all := procs.List(); ; {
		more := 0
		for _, p := range all {
			if own[p.Parent] && !own[p.PID] {
				own[p.PID] = true
				more++
			}
		}
		if more == 0 {
			break
		}
	}
	for pid := range own {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil { // Some end meanwhile.
			times, err := parseTimes(stat, 4)
			if err != nil {
				return u, err
			}
			u.own += times
		}
	}
	return u, nil
}

// strangers is the part of all processors that went to what does not belong to the benchmark since then, in percent. Such
// a neighbour makes all figures worse.
func (u usage) strangers(then usage) float64 {
	all := u.at.Sub(then.at) * time.Duration(runtime.NumCPU())
	return max(0, 100*float64(u.machine-then.machine-(u.own-then.own))/float64(all))
}

// parseBusy adds up what is not idle in the first line of /proc/stat: user, nice, system, irq, softirq and steal.
func parseBusy(stat string) (time.Duration, error) {
	first, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("parse /proc/stat: %q", first)
	}
	var ticks int64
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse /proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
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
		if err := pause(ctx, time.Second); err != nil {
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
	if err := r.run(ctx, b, rep); err != nil {
		return err
	}
	after, err := readUsage()
	if err != nil {
		return err
	}
	rep.facts = append(rep.facts, fmt.Sprintf("%s took %.0f s; others used %s %% of the processors meanwhile",
		r.name, after.at.Sub(before.at).Seconds(), number(after.strangers(before))))
	return nil
}
