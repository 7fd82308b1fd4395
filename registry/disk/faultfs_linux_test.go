package disk

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"rollcall/registry"
)

// A log has its length from the start, so that a sync has none to bring to disk, where the
// file system gives it the space.
func TestLogHasItsLength(t *testing.T) {
	probe, err := os.Create(filepath.Join(t.TempDir(), "probe"))
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	gives := unix.Fallocate(int(probe.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 2*memTableBytes) == nil
	db := mustOpen(t, t.TempDir())
	defer db.Close()
	for i := range 2 { // the first write comes before the space
		commit(t, db, true, strconv.Itoa(i), "1")
	}
	for i := range 2 {
		logs, err := filepath.Glob(filepath.Join(db.dir, dbDir, "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatalf("logs: %v, %v", logs, err)
		}
		newest := slices.Max(logs) // the one in use
		info, err := os.Stat(newest)
		if err != nil {
			t.Fatal(err)
		}
		if long := info.Size() >= memTableBytes; long != gives {
			t.Errorf("after %d more commits %s has %d bytes; the file system gives space: %v", 100*i, newest, info.Size(), gives)
		}
		for j := range 100 {
			commit(t, db, true, strconv.Itoa(j), "1")
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	db, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for i := 0; b.Loop(); i++ {
		changes := []registry.Change{{Key: strconv.AppendInt(nil, int64(i)%1000, 10), Value: make([]byte, 200)}}
		if err := db.Commit(changes, true); err != nil {
			b.Fatal(err)
		}
	}
}
