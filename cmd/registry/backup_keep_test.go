package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// With --keep a directory holds the latest backups alone; what is not one of them is not touched.
func TestBackupKeeps(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, nodeConfig{name: "dot"})
	answer(t, "PUT", n.URL()+"/v2/keys/creds/mq", "value=secret")
	dir := t.TempDir()
	recent := keptName(time.Now().Add(-time.Hour))
	for _, name := range []string{
		"rollcall-20200101T000000Z.backup", "rollcall-20200102T000000Z.backup", recent, // older
		"rollcall-20200103T000000Z.backup.partial", recent + ".partial", // of interrupted runs: one may be under way
		"notes", "rollcall-20201301T000000Z.backup", "rollcall-2020.backup", "rollcall-20200101T000000Z.backup.txt", // others'
	} {
		writeFileAt(t, filepath.Join(dir, name))
	}
	wantRun(t, 0, "^"+dir+`/rollcall-\d{8}T\d{6}Z\.backup: 2 entries, .*, from `+n.URL()+` in [0-9.]+m?s; 2 older removed\n$`, "^$",
		"backup", dir, "--keep", "2", "--endpoints", n.URL())
	var made string
	for _, name := range filesIn(t, dir) {
		if at, ok := keptAt(name); ok && name != recent {
			made = name
			if since := time.Since(at); since < 0 || since > time.Minute {
				t.Errorf("the backup is called %s now", name)
			}
		}
	}
	wantFiles(t, dir, "notes", "rollcall-2020.backup", "rollcall-20200101T000000Z.backup.txt", "rollcall-20201301T000000Z.backup", recent, recent+".partial", made)
	wantRun(t, 0, ": 2 entries, .*; is whole in", "^$", "restore", filepath.Join(dir, made), "--dry-run")
}

// A backup that fails removes nothing.
func TestBackupKeepsWhenItFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFileAt(t, filepath.Join(dir, "rollcall-20200101T000000Z.backup"))
	wantRun(t, exitUnavailable, "^$", "refused", "backup", dir, "--keep", "1", "--endpoints", "http://127.0.0.1:1")
	wantFiles(t, dir, "rollcall-20200101T000000Z.backup")
}

// A clock that was set back does not cost the backup that was just made.
func TestPruneSparesTheLatest(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	made := keptName(now)
	for day := range 3 {
		writeFileAt(t, filepath.Join(dir, keptName(now.AddDate(0, 0, 1+day))))
	}
	writeFileAt(t, filepath.Join(dir, made))
	if removed, err := pruneBackups(dir, made, 2, now); err != nil || removed != 2 {
		t.Errorf("%d removed, %v", removed, err)
	}
	wantFiles(t, dir, made, keptName(now.AddDate(0, 0, 3)))
	if removed, err := pruneBackups(dir, made, 5, now); err != nil || removed != 0 {
		t.Errorf("%d removed of two, %v", removed, err)
	}
}

func TestBackupKeepIsChecked(t *testing.T) {
	t.Parallel()
	wantRun(t, exitFailure, "^$", "--keep -1: must be 1 or more", "backup", "--keep", "-1", t.TempDir())
	wantRun(t, exitFailure, "^$", "--keep: needs a directory, and - is standard output", "backup", "--keep", "1", "-")
	wantRun(t, exitFailure, "^$", "no such file or directory", "backup", "--keep", "1", filepath.Join(t.TempDir(), "none"), "--endpoints", startedNode(t))
}

func startedNode(t *testing.T) (url string) {
	t.Helper()
	n, _ := runNode(t, nodeConfig{name: "dot"})
	return n.URL()
}

func writeFileAt(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}
