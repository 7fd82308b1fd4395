package registry

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// populate fills a store with leased entries under /frontends.
func populate(b *testing.B, n int) (*Store, []Key) {
	b.Helper()
	s := New(Options{})
	keys := make([]Key, n)
	for i := range keys {
		keys[i] = Key(fmt.Sprintf("/frontends/fe%06d", i))
		put(b, s, keys[i], putLeased("10.0.0.1:8080", time.Hour))
	}
	return s, keys
}

// BenchmarkPutRenewal is the heartbeat of one of 100,000 hosts.
func BenchmarkPutRenewal(b *testing.B) {
	s, keys := populate(b, 100_000)
	before := s.Stats().History
	var next atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			put(b, s, keys[next.Add(7919)%uint64(len(keys))], putLeased("10.0.0.1:8080", time.Hour))
		}
	})
	if s.Stats().History != before {
		b.Error("renewals take history")
	}
}

func BenchmarkPutChange(b *testing.B) {
	s, keys := populate(b, 1000)
	values := []string{"10.0.0.2:8080", "10.0.0.3:8080"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		put(b, s, keys[i%len(keys)], putLeased(values[i/len(keys)%2], time.Hour))
	}
}

func BenchmarkGet(b *testing.B) {
	s, keys := populate(b, 100_000)
	var next atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Get(keys[next.Add(7919)%uint64(len(keys))], GetOptions{}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkList1000 lists a directory of 1,000: unchanged since the last time, and
// after a heartbeat of one of them.
func BenchmarkList1000(b *testing.B) {
	list := func(b *testing.B, s *Store) {
		b.Helper()
		if r, err := s.Get("/frontends", GetOptions{}); err != nil || len(r.Entries) != 1000 {
			b.Fatal(len(r.Entries), err)
		}
	}
	b.Run("unchanged", func(b *testing.B) {
		s, _ := populate(b, 1000)
		b.ReportAllocs()
		for b.Loop() {
			list(b, s)
		}
	})
	b.Run("renewed", func(b *testing.B) {
		s, keys := populate(b, 1000)
		b.ReportAllocs()
		for b.Loop() {
			put(b, s, keys[0], putLeased("10.0.0.1:8080", time.Hour))
			list(b, s)
		}
	})
}

// BenchmarkNotify10000Watches delivers one change to 10,000 watches, read by nobody
// in the measured time.
func BenchmarkNotify10000Watches(b *testing.B) {
	s, keys := populate(b, 1000)
	watches := make([]*Watch, 10_000)
	for i := range watches {
		watches[i] = watch(b, s, "/frontends", WatchOptions{Recursive: true, Stream: true})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		put(b, s, keys[i%len(keys)], file("10.0.0.2:8080"))
		if i%1000 == 999 {
			b.StopTimer()
			for _, w := range watches {
				told(b, w)
			}
			b.StartTimer()
		}
	}
}
