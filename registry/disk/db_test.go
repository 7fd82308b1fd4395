package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rollcall/registry"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_WRITER"); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

// writeForEver commits numbered changes and says so, until it is killed. Each commit is of two
// keys with the same number.
func writeForEver(dir string) {
	db, err := Open(dir, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for i := db.number; ; i++ {
		n := []byte(strconv.FormatUint(i, 10))
		changes := []registry.Change{
			{Key: []byte("k/first"), Value: n},
			{Key: []byte("k/second"), Value: n},
			{Key: append([]byte("k/n/"), n...), Value: make([]byte, 200)},
		}
		if err := db.Commit(changes, true); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

func mustOpen(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// contents returns all that a journal holds.
func contents(db interface {
	Load(visit func(key, value []byte) error) error
},
) (map[string]string, error) {
	all := map[string]string{}
	err := db.Load(func(key, value []byte) error {
		all[string(key)] = string(value)
		return nil
	})
	return all, err
}

func commit(t *testing.T, db *DB, sync bool, pairs ...string) {
	t.Helper()
	var changes []registry.Change
	for i := 0; i < len(pairs); i += 2 {
		c := registry.Change{Key: []byte(pairs[i])}
		if pairs[i+1] != "" {
			c.Value = []byte(pairs[i+1])
		}
		changes = append(changes, c)
	}
	if err := db.Commit(changes, sync); err != nil {
		t.Fatal(err)
	}
}

func TestJournalComesBack(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, dir)
	commit(t, db, true, "k/a", "1", "k/b", "2")
	commit(t, db, false, "k/a", "3", "k/b", "")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = mustOpen(t, dir)
	defer db.Close()
	if got, err := contents(db); err != nil || !maps.Equal(got, map[string]string{"k/a": "3"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// Killed at any moment, a journal has every commit that was acknowledged, and each as a whole.
func TestKilledWriterLosesNothing(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		acknowledged := killedWriter(t, dir, 0, time.Duration(rand.IntN(150))*time.Millisecond)
		db := mustOpen(t, dir)
		all, err := contents(db)
		if err != nil {
			t.Fatal(err)
		}
		if all["k/first"] != all["k/second"] {
			t.Errorf("half a commit: %q and %q", all["k/first"], all["k/second"])
		}
		if last, _ := strconv.Atoi(all["k/first"]); last < acknowledged {
			t.Errorf("%d was acknowledged, %d is there", acknowledged, last)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedWriter has a process write, kills it a while after it has acknowledged some commits,
// and returns what it has acknowledged last.
func killedWriter(t *testing.T, dir string, commits int, after time.Duration) (acknowledged int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "JOURNAL_WRITER="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; ; n++ {
		if n == commits {
			timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		if !lines.Scan() {
			break
		}
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Error(lines.Text())
		}
		acknowledged = n
	}
	_ = cmd.Wait() // it was killed
	return acknowledged
}

// filled returns a directory whose journal was killed while it had something in its log and
// in a table, with what was acknowledged.
func filled(t *testing.T) (dir string, acknowledged int) {
	t.Helper()
	dir = t.TempDir()
	db := mustOpen(t, dir)
	for i := range 300 {
		commit(t, db, true, fmt.Sprintf("k/table/%d", i), strings.Repeat("x", 100))
	}
	if err := db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, killedWriter(t, dir, 200, 0)
}

// fileOf returns the newest file of a kind.
func fileOf(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, dbDir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s, %v", pattern, err)
	}
	slices.Sort(found)
	return found[len(found)-1]
}

func change(t *testing.T, path string, how func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, how(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// used is the length of a log without the zeros that it was made with.
func used(b []byte) int { return len(strings.TrimRight(string(b), "\x00")) }

// Whatever happens to the files, a journal is refused or holds all that was acknowledged.
func TestDamage(t *testing.T) {
	flip := func(at func(b []byte) int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[at(b)] ^= 0xff
			return b
		}
	}
	tests := map[string]struct {
		pattern string
		how     func([]byte) []byte // nil removes the file
		whole   bool                // nothing that was acknowledged is lost
	}{
		"flipped in the middle of the log":      {"*.log", flip(func(b []byte) int { return used(b) / 2 }), false},
		"flipped at the beginning of the log":   {"*.log", flip(func([]byte) int { return 20 }), false},
		"zeros in the middle of the log":        {"*.log", func(b []byte) []byte { clear(b[used(b)/2:][:4096]); return b }, false},
		"log cut off in the middle":             {"*.log", func(b []byte) []byte { return b[:used(b)/2] }, false},
		"log empty":                             {"*.log", func([]byte) []byte { return nil }, false},
		"log gone":                              {"*.log", nil, false},
		"garbage behind the log":                {"*.log", func(b []byte) []byte { return append(b[:used(b)], "garbage"...) }, true},
		"table gone":                            {"*.sst", nil, false},
		"flipped in a table":                    {"*.sst", flip(func(b []byte) int { return len(b) / 4 }), false},
		"table cut off":                         {"*.sst", func(b []byte) []byte { return b[:len(b)/2] }, false},
		"description gone":                      {"MANIFEST-*", nil, false},
		"flipped in the description":            {"MANIFEST-*", flip(func(b []byte) int { return len(b) / 2 }), false},
		"flipped at the end of the description": {"MANIFEST-*", flip(func(b []byte) int { return len(b) - 3 }), false},
		"marker gone":                           {"marker.manifest.*", nil, false},
		"format gone":                           {formatFile, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir, acknowledged := filled(t)
			s := registered(t, dir)
			path := fileOf(t, dir, tt.pattern)
			if tt.how == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				change(t, path, tt.how)
			}
			db, err := Open(dir, Options{})
			if err != nil {
				wantRefusal(t, err, tt.whole || tt.pattern == formatFile)
				return
			}
			defer db.Close()
			all, err := contents(db)
			if err != nil {
				wantRefusal(t, err, tt.whole)
				return
			}
			if last, _ := strconv.Atoi(all["k/first"]); last < acknowledged || len(all) < len(s) {
				t.Errorf("opened with %d of %d keys, commit %d of %d", len(all), len(s), last, acknowledged)
			}
		})
	}
}

// registered writes the proof as a node that ran on for a while would have, and returns what
// the journal holds.
func registered(t *testing.T, dir string) map[string]string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, copied)
	defer db.Close()
	all, err := contents(db)
	if err != nil {
		t.Fatal(err)
	}
	if err := replaceSynced(vfs.Default, filepath.Join(dir, proofFile), strconv.FormatUint(db.number, 10)); err != nil {
		t.Fatal(err)
	}
	return all
}

func wantRefusal(t *testing.T, err error, other bool) {
	t.Helper()
	if other {
		if errors.Is(err, ErrDamaged) {
			t.Errorf("refused as damaged: %v", err)
		}
		return
	}
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "--resync") {
		t.Errorf("refused, but not as damaged: %v", err)
	}
}

// A database that has gone as a whole is not begun anew in silence.
func TestMissingDatabase(t *testing.T) {
	dir, _ := filled(t)
	registered(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, dbDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened: %v", err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := mustOpen(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, dbDir, formatFile), fmt.Appendf(nil, formatText, 7), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "format 7") || !strings.Contains(err.Error(), "up to format 1") {
		t.Errorf("%v", err)
	}
}

// What a crash has left of making a journal is no obstacle.
func TestHalfMadeJournal(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, dbDir+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, dbDir+".new", "junk"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, dir)
	defer db.Close()
	if _, err := os.Stat(filepath.Join(dir, dbDir+".new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the rest is still there: %v", err)
	}
}

// A power loss takes what was not synced, and nothing that was acknowledged as synced.
func TestPowerLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	disk := vfs.NewCrashableMem()
	synced := 0
	for boot := range 30 {
		db, err := Open("data", Options{fs: disk})
		if err != nil {
			t.Fatal(err)
		}
		all, err := contents(db)
		if err != nil || all["k/first"] != all["k/second"] {
			t.Fatalf("%v, half a commit: %q and %q", err, all["k/first"], all["k/second"])
		}
		last, _ := strconv.Atoi(all["k/first"])
		if last < synced {
			t.Errorf("boot %d: %d was acknowledged, %d is there", boot, synced, last)
		}
		for i := last + 1; i < last+2+rng.IntN(40); i++ {
			sync := rng.IntN(3) == 0
			commit(t, db, sync, "k/first", strconv.Itoa(i), "k/second", strconv.Itoa(i))
			if sync {
				synced = i
			}
		}
		lost := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		disk = lost
	}
	if synced == 0 {
		t.Error("nothing was ever synced")
	}
}
