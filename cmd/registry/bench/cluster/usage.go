package main

import (
	"runtime"
	"syscall"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

// A usage is processor time since the start, and when it was read.
type usage struct {
	at      time.Time
	machine time.Duration // all processes of the machine, and what other machines took from it
	servers time.Duration // of one cluster
	own     time.Duration // the other cluster's too, this process and wrk
}

// usage reads what a cluster and the whole benchmark have used so far.
func (b *bench) usage(c *cluster, all ...*cluster) (usage, error) {
	u := usage{at: time.Now()}
	var err error
	if u.machine, err = kit.BusyTime(); err != nil {
		return u, err
	}
	if u.servers, err = c.cpu(); err != nil {
		return u, err
	}
	u.own = u.servers
	for _, other := range all {
		if other == c {
			continue
		}
		cpu, err := other.cpu()
		if err != nil {
			return u, err
		}
		u.own += cpu
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return u, err
		}
		u.own += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return u, nil
}

// since is what was used from then on.
func (u usage) since(then usage) usage {
	return usage{u.at, u.machine - then.machine, u.servers - then.servers, u.own - then.own}
}

// strangers is the part of all processors that went to what does not belong to the benchmark, in percent, in a usage
// over some time. Such a neighbour makes all figures worse.
func (u usage) strangers(elapsed time.Duration) float64 {
	all := elapsed * time.Duration(runtime.NumCPU())
	return max(0, 100*float64(u.machine-u.own)/float64(all))
}

func (c *cluster) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, s := range c.servers {
		cpu, err := s.proc.cpu()
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}
