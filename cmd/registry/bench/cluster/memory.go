package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// samplePeriod is how often the memory of all servers is read.
const samplePeriod = 200 * time.Millisecond

// readings are the resident sets of some servers over time: one series per server.
type readings [][]float64

// A sampler reads the memory of a cluster until it is stopped.
type sampler struct {
	cancel context.CancelFunc
	group  errgroup.Group
	found  readings
}

func startSampler(ctx context.Context, c *cluster) *sampler {
	ctx, cancel := context.WithCancel(ctx)
	s := &sampler{cancel: cancel, found: make(readings, len(c.servers))}
	s.group.Go(func() error {
		for {
			for i, one := range c.servers {
				if rss, err := one.proc.rss(); err == nil { // A server that ended is found out elsewhere.
					s.found[i] = append(s.found[i], rss)
				}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(samplePeriod):
			}
		}
	})
	return s
}

func (s *sampler) stop() readings {
	s.cancel()
	_ = s.group.Wait() // It has no errors.
	return s.found
}

// growth compares the mean of the last quarter of the time with the mean of the third, of the server where it is worst;
// last is the largest of these means.
func (r readings) growth() (worst, last float64) {
	for _, one := range r {
		if len(one) < 4 {
			continue
		}
		half, late := mean(one[len(one)/2:len(one)*3/4]), mean(one[len(one)*3/4:])
		worst, last = max(worst, late/half), max(last, late)
	}
	return worst, last
}

func mean(figures []float64) float64 {
	var sum float64
	for _, f := range figures {
		sum += f
	}
	return sum / float64(len(figures))
}
