package backup_test

import (
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"rollcall/registry"
	"rollcall/registry/backup"
)

// hosts returns a store with n entries in directories of a thousand, half of them with a lease.
func hosts(tb testing.TB, n int) *registry.Store {
	tb.Helper()
	s := registry.New(registry.Options{History: 1})
	for i := range n {
		o := registry.PutOptions{Value: fmt.Sprintf(`{"addr":"10.%d.%d.%d","port":8080,"weight":50}`, i>>16, i>>8&255, i&255)}
		if i%2 == 0 {
			o.TTL = time.Hour
		}
		put(tb, s, registry.Key(fmt.Sprintf("/frontends/service-%d/host-%d", i/1000, i)), o)
	}
	return s
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below
}

// However large a backup is, neither who writes it nor who reads it holds more than some blocks.
func TestBoundedMemory(t *testing.T) {
	const n, limit = 100_000, 1 << 20
	snap := hosts(t, n).Snapshot()
	r, w := io.Pipe()
	before := heap()
	go func() { w.CloseWithError(backup.Write(w, snap, origin)) }()
	seen, most := 0, int64(0)
	sum, err := backup.Read(r, func(registry.Entry) error {
		if seen++; seen%20_000 == 0 {
			most = max(most, heap()-before)
		}
		return nil
	})
	if err != nil || seen < n || sum.Bytes < 8*limit {
		t.Fatalf("%d entries, %d bytes, %v", seen, sum.Bytes, err)
	}
	if most == 0 || most > limit {
		t.Errorf("%d bytes of %d were held", most, sum.Bytes)
	}
	runtime.KeepAlive(snap)
}

// BenchmarkMillion takes a snapshot of a million entries, and writes and verifies a backup.
func BenchmarkMillion(b *testing.B) {
	s := hosts(b, 1_000_000)
	snap := s.Snapshot()
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			runtime.KeepAlive(s.Snapshot())
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := backup.Write(io.Discard, snap, origin); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write and verify", func(b *testing.B) {
		for b.Loop() {
			r, w := io.Pipe()
			go func() { w.CloseWithError(backup.Write(w, snap, origin)) }()
			if _, err := backup.Verify(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
