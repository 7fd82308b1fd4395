package lbsync_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
)

func TestDryRunChangesNothing(t *testing.T) {
	r := newRig(t, "a")
	r.registry.Set("/a", "1", "10.0.0.1")
	r.write(t, "old\n")
	got, err := r.renew(t).DryRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []lbsync.Preview{{Config: r.path, Kind: "fake", Before: []byte("old\n"), After: []byte("a: s_10.0.0.1_80\n")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if r.file(t) != "old\n" || r.reloads() > 0 || r.checked > 0 {
		t.Errorf("file %q, %d reloads, %d checks", r.file(t), r.reloads(), r.checked)
	}
	if files, _ := os.ReadDir(filepath.Dir(r.path)); len(files) != 1 {
		t.Errorf("files: %v", files)
	}
}

// What Once would refuse a dry run refuses as well, and the pools of an earlier run count in both.
func TestDryRunDecidesAsOnce(t *testing.T) {
	r := newRig(t, "a", "b")
	if _, err := r.renew(t).DryRun(t.Context()); !errors.Is(err, lbsync.ErrNoServers) {
		t.Errorf("an empty registry: %v", err)
	}
	r.registry.Set("/a", "1", "10.0.0.1")
	r.registry.Set("/b", "1", "10.0.0.2")
	if err := r.once(t); err != nil {
		t.Fatal(err)
	}
	r.registry.Delete("/b", "1")
	got, err := r.renew(t).DryRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "a: s_10.0.0.1_80\nb: s_10.0.0.2_80\n"; string(got[0].After) != want || string(got[0].Before) != want {
		t.Errorf("before %q, after %q", got[0].Before, got[0].After)
	}
	r.breakAt(lbsync.StepRender, errBroken)
	if got, err := r.renew(t).DryRun(t.Context()); !errors.Is(err, errBroken) || len(got) != 0 {
		t.Errorf("a broken template: %v, %v", got, err)
	}
}
