package lbsync

import (
	"testing"
	"time"
)

// BenchmarkGuard observes and decides for 4,000 hosts: unchanged, with one host's weight changing, with all of them held.
func BenchmarkGuard(b *testing.B) {
	present := make([]candidate, 4000)
	for i := range present {
		present[i] = candidate{key: hostKey(i), server: hostServer(i)}
	}
	unknown := func(string) cause { return causeUnknown }
	for _, bb := range []struct {
		name string
		view func(i int) []candidate
	}{
		{"unchanged", func(int) []candidate { return present }},
		{"weight", func(i int) []candidate { present[7].server.Weight = 1 + i%200; return present }},
		{"held", func(i int) []candidate { return present[:1+i%2] }},
		{"all come and are held", func(i int) []candidate { return present[:1+i%2*3999] }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			now := time.Unix(0, 0)
			g := newGuard(testPolicy(nil))
			g.observe(now, present, unknown)
			g.decide(now)
			for i := 0; b.Loop(); i++ {
				now = now.Add(time.Millisecond)
				g.observe(now, bb.view(i), unknown)
				g.decide(now)
			}
		})
	}
	b.Run("decide unchanged", func(b *testing.B) {
		now := time.Unix(0, 0)
		g := newGuard(testPolicy(nil))
		g.observe(now, present, unknown)
		for b.Loop() {
			g.decide(now)
		}
	})
}
