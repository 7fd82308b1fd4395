package lbsync

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func at(second int) time.Time { return time.Unix(int64(second), 0) }

func TestLock(t *testing.T) {
	f := liveFile{path: filepath.Join(t.TempDir(), "x.cfg")}
	release, err := f.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.lock(); !errors.Is(err, ErrLocked) {
		t.Errorf("the second: %v", err)
	}
	release()
	if release, err = f.lock(); err != nil {
		t.Fatal(err)
	}
	release()
	if err := os.Remove(filepath.Dir(f.path) + "/.x.cfg.rollcall-lock"); err != nil {
		t.Error(err)
	}
	if release, err = (liveFile{path: "/proc/no/such/dir/x.cfg"}).lock(); err != nil {
		t.Errorf("a directory that cannot be written: %v", err)
	}
	release()
}

func TestHistogram(t *testing.T) {
	h := newHistogram([]float64{1, 2})
	for _, d := range []time.Duration{-time.Second, time.Second, 1500 * time.Millisecond, time.Minute} {
		h.add(d)
	}
	sum := Histogram{}.plus(h).plus(h)
	if sum.Count != 8 || sum.Sum != 125 || sum.Buckets[1] != 4 || sum.Buckets[2] != 6 || h.Count != 4 {
		t.Errorf("got %+v of %+v", sum, h)
	}
}
