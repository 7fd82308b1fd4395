package haproxy

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// The file cannot be checked or written: servers come and go all the same, no request fails, nothing is reloaded, the file
// stays as it is, and after the repair it is brought up to date.
func TestFaultFile(t *testing.T) {
	t.Parallel()
	if !lbtest.PrivateMounts(t) {
		return
	}
	dir := t.TempDir()
	etc := filepath.Join(dir, "etc")
	lbtest.SmallDisk(t, etc)
	r := newFaultRigIn(t, dir, etc)
	r.options.CheckTimeout = 2 * time.Second
	r.register("one", "two")
	r.start(t)
	r.converged(t, "one", "two")
	checkerMode := func(mode string) func(*testing.T) func() {
		return func(t *testing.T) func() {
			t.Helper()
			writeFile(t, r.mode, mode)
			return func() { writeFile(t, r.mode, "") }
		}
	}
	in, out := "two", "three"
	for _, tt := range []struct {
		name  string
		step  lbsync.Step
		fault func(*testing.T) (repair func())
	}{
		{"check fails", lbsync.StepCheck, checkerMode("fail")},
		{"check is killed", lbsync.StepCheck, checkerMode("die")},
		{"check hangs", lbsync.StepCheck, checkerMode("hang")},
		{"disk is full", lbsync.StepWrite, func(t *testing.T) func() { t.Helper(); return lbtest.Fill(t, etc) }},
		{"disk is read-only", lbsync.StepWrite, func(t *testing.T) func() { t.Helper(); return lbtest.ReadOnly(t, etc) }},
		{"a directory is in the way", lbsync.StepWrite, func(t *testing.T) func() { t.Helper(); return inTheWay(t, r.config) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, reloads, failures := readFile(t, r.config), r.reloads(t), r.failures(tt.step)
			visits := lbtest.StartVisits(t, r.port)
			repair := tt.fault(t)
			r.register(out)
			r.serves(t, "one", in, out)
			r.registry.Delete(prefix, in)
			in, out = out, in
			r.serves(t, "one", in)
			lbtest.Eventually(t, patience, "the fault is told", func() bool {
				status := r.syncer.Status().Targets[0]
				return r.failures(tt.step) > failures && !status.InSync && status.Step == tt.step && status.Error != ""
			})
			if got, err := os.ReadFile(r.config); err == nil && string(got) != before {
				t.Errorf("the file became\n%s", got)
			}
			repair()
			r.converged(t, "one", in)
			visits.Check(t)
			if n := r.reloads(t) - reloads; n != 0 {
				t.Errorf("%d reloads", n)
			}
		})
	}
}

// inTheWay puts a directory with something in it in a file's place.
func inTheWay(t *testing.T, path string) (repair func()) {
	t.Helper()
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
}
