package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rollcall/registry"
)

// aSnapshot returns the snapshot of a store with n entries.
func aSnapshot(t *testing.T, n int) *registry.Snapshot {
	t.Helper()
	s := registry.New(registry.Options{Tag: 5})
	for i := range n {
		if _, err := s.Put(registry.Key(fmt.Sprintf("/k/%d", i)), registry.PutOptions{Value: strings.Repeat("v", 100)}); err != nil {
			t.Fatal(err)
		}
	}
	return s.Snapshot()
}

// filler puts a snapshot into a journal.
func filler(snap *registry.Snapshot) func(put func([]registry.Change) error) error {
	return func(put func([]registry.Change) error) error {
		r := registry.NewRestoration(snap.Stamp)
		for e := range snap.Entries() {
			c, err := r.Entry(e)
			if err != nil {
				return err
			}
			if err := put([]registry.Change{c}); err != nil {
				return err
			}
		}
		return put(r.Rest())
	}
}

// names returns what is in a directory, in order; nil if it is not there.
func names(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

// A restored directory is one from which a node starts.
func TestRestore(t *testing.T) {
	snap := aSnapshot(t, 1000)
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Restore(dir, snap.Index, Options{}, filler(snap)); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, dir), []string{dbDir, markFile, lockFile, proofFile}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %v, not %v", got, want)
	}
	mark, err := OpenMark(dir, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer mark.Close()
	if mark.Bound() != snap.Index {
		t.Errorf("the mark is at %d, not at %d", mark.Bound(), snap.Index)
	}
	db := mustOpen(t, dir)
	defer db.Close()
	s := registry.New(registry.Options{Tag: 5, AfterIndex: mark.Bound()})
	if err := s.Attach(db); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Collect(s.Snapshot().Entries()), slices.Collect(snap.Entries()); !slices.Equal(got, want) {
		t.Errorf("%d entries come back, not the %d of before", len(got), len(want))
	}
	commit(t, db, true, "k/a", "1")
}

func TestRestoreWantsAnEmptyDirectory(t *testing.T) {
	snap := aSnapshot(t, 1)
	for _, tt := range []struct {
		files []string
		taken bool
	}{
		{nil, true},
		{[]string{"lost+found"}, true},
		{[]string{lockFile}, true},
		{[]string{lockFile, dbDir + ".new", markFile, markFile + ".new"}, true}, // an interrupted Restore
		{[]string{lockFile, markFile}, false},                                   // a node without a journal
		{[]string{dbDir}, false},
		{[]string{proofFile}, false},
		{[]string{"peers"}, false},
		{[]string{"notes.txt"}, false},
	} {
		dir := t.TempDir()
		for _, name := range tt.files {
			text := ""
			if strings.HasPrefix(name, markFile) {
				text = "1"
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := names(t, dir)
		err := Restore(dir, snap.Index, Options{}, filler(snap))
		switch {
		case tt.taken && err != nil:
			t.Errorf("%v: %v", tt.files, err)
		case !tt.taken && (!errors.Is(err, ErrNotEmpty) || !slices.Equal(names(t, dir), before)):
			t.Errorf("%v: %v, and then %v", tt.files, err, names(t, dir))
		}
	}
}

func TestRestoreIntoADirectoryInUse(t *testing.T) {
	snap := aSnapshot(t, 1)
	dir := t.TempDir()
	lock, err := takeLock(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := Restore(dir, snap.Index, Options{}, filler(snap)); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Restore(dir, snap.Index, Options{}, filler(snap)); err != nil {
		t.Errorf("free: %v", err)
	}
}

// What is not complete leaves nothing, and the directory is good for another attempt.
func TestRestoreThatFails(t *testing.T) {
	snap := aSnapshot(t, 10)
	failed := errors.New("the stream breaks off")
	for name, fill := range map[string]func(put func([]registry.Change) error) error{
		"the source fails": func(put func([]registry.Change) error) error {
			return errors.Join(filler(snap)(put), failed)
		},
		"a record is missing": func(put func([]registry.Change) error) error {
			return filler(snap)(func(c []registry.Change) error {
				if string(c[0].Key) == "k/k/3" {
					return nil
				}
				return put(c)
			})
		},
		"the marks are missing": func(put func([]registry.Change) error) error {
			return filler(snap)(func(c []registry.Change) error { return put(c[len(c)-1:]) }) // of the author there is none
		},
	} {
		dir := t.TempDir()
		err := Restore(dir, snap.Index, Options{}, fill)
		if err == nil {
			t.Errorf("%s: it is taken", name)
		}
		if got := names(t, dir); !slices.Equal(got, []string{lockFile}) {
			t.Errorf("%s: %v is left", name, got)
		}
		if err := Restore(dir, snap.Index, Options{}, filler(snap)); err != nil {
			t.Errorf("%s: and then: %v", name, err)
		}
	}
}
