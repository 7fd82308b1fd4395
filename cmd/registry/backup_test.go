package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync/lbtest"
	"rollcall/registry"
	"rollcall/registry/backup"
	"rollcall/registry/disk"
	"rollcall/registry/httpapi"
)

// filesIn returns the names in a directory, none if it is not there.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	names := []string{}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// wantFiles compares what is in a directory.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := filesIn(t, dir); !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// wantRun runs the command and compares its code and, as patterns, its output.
func wantRun(t *testing.T, code int, stdout, stderr string, args ...string) {
	t.Helper()
	got := runCommand(t.Context(), testEnv(args))
	if got.code != code || !regexp.MustCompile(stdout).MatchString(got.stdout) || !regexp.MustCompile(stderr).MatchString(got.stderr) {
		t.Errorf("%q: code %d, %q, %q; want %d, %q, %q", args, got.code, got.stdout, got.stderr, code, stdout, stderr)
	}
}

// aBackup returns a small backup.
func aBackup(t *testing.T) []byte {
	t.Helper()
	s := registry.New(registry.Options{Tag: 7})
	for _, key := range []registry.Key{"/a/1", "/b"} {
		if _, err := s.Put(key, registry.PutOptions{Value: "10.0.1.1"}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := backup.Write(&b, s.Snapshot(), backup.Origin{Node: "dot", Cluster: "blue"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// writtenTo writes a file in a directory of its own.
func writtenTo(t *testing.T, b []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A node without a data directory is backed up, and another goes on from there.
func TestBackupAndRestore(t *testing.T) {
	n, _ := runNode(t, nodeConfig{name: "dot", gossip: gossipConfig{cluster: "blue"}})
	answer(t, "PUT", n.URL()+"/v2/keys/creds/mq", "value=secret")
	answer(t, "PUT", n.URL()+"/v2/keys/k%C3%A4se/%E2%98%95", "value=10.0.1.1&ttl=100")
	index := setIndex(t, n.URL())
	dir := t.TempDir()
	file, data := filepath.Join(dir, "file"), filepath.Join(dir, "data")
	holds := fmt.Sprintf(`: 5 entries, 2 of them directories, 1 with a lease, \d+ bytes, index %d, of node dot of cluster blue at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, index)
	wantRun(t, 0, "^"+file+holds+", from "+n.URL()+` in [0-9.]+m?s\n$`, "^$", "backup", file, "--endpoints", n.URL())
	wantRun(t, 0, "^"+file+holds+`; is whole in [0-9.]+[mµ]?s\n$`, "^$", "restore", file, "--dry-run")
	wantFiles(t, dir, "file")
	wantRun(t, 0, "^"+file+holds+"; restored into "+data+` in [0-9.]+m?s\n$`, "^$", "restore", file, "--data-dir", data)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	s := storeOf(t, data)
	for key, want := range map[registry.Key]string{"/creds/mq": "secret", "/käse/☕": "10.0.1.1", "/a": "1"} {
		if got, err := s.Get(key, registry.GetOptions{}); err != nil || got.Value != want {
			t.Errorf("%s holds %q, %v", key, got.Value, err)
		}
	}
	if a, err := s.Get("/a", registry.GetOptions{}); err != nil || a.ModifiedIndex != index || s.Index() <= index {
		t.Errorf("index %d of %d, %v; want %d", a.ModifiedIndex, s.Index(), err, index)
	}
	if l, err := s.Get("/käse/☕", registry.GetOptions{}); err != nil || l.TTL() != 100*time.Second {
		t.Errorf("a TTL of %v, %v", l.TTL(), err)
	}
	wantRun(t, 1, "^$", "data directory is not empty", "restore", file, "--data-dir", data)
}

// storeOf returns the store of a node that starts from a data directory.
func storeOf(t *testing.T, dir string) *registry.Store {
	t.Helper()
	mark, err := disk.OpenMark(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mark.Close() })
	_, tag := registry.IndexAhead(mark.Bound(), time.Now())
	s := registry.New(registry.Options{Tag: tag, AfterIndex: mark.Bound()})
	db, err := disk.Open(dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := s.Attach(db); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBackupToStandardOutput(t *testing.T) {
	n, _ := runNode(t, nodeConfig{name: "dot"})
	setIndex(t, n.URL())
	got := runCommand(t.Context(), testEnv([]string{"backup", "-", "--endpoints", n.URL()}))
	sum, err := backup.Verify(strings.NewReader(got.stdout))
	if err != nil || got.code != 0 || sum.Entries != 1 || !strings.HasPrefix(got.stderr, "standard output: 1 entries, ") {
		t.Errorf("code %d, %q, %v", got.code, got.stderr, err)
	}
}

// Whatever byte is changed, and wherever the file ends: nothing is written.
func TestRestoreRefusesEachDamage(t *testing.T) {
	good := aBackup(t)
	dir := filepath.Join(t.TempDir(), "data")
	refused := func(what string, b []byte, want string) {
		t.Helper()
		wantRun(t, 1, "^$", want, "restore", writtenTo(t, b), "--data-dir", dir)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s: the directory is there: %v", what, err)
		}
	}
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 0x55
		refused(fmt.Sprint("flip of byte ", at), bad, "the backup is|this is no backup")
		refused(fmt.Sprint("cut at byte ", at), good[:at], "the backup is not complete: it ends after [0-9]+ bytes; nothing was written")
	}
	refused("newer", []byte("rollcall backup, format 2\n"), "made by a newer version of this program: it has format 2, this one knows up to format 1; nothing was written")
	wantRun(t, 0, "restored into", "^$", "restore", writtenTo(t, good), "--data-dir", dir)
}

func TestRestoreIntoADirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	runNode(t, nodeConfig{name: "dot", dataDir: dir})
	file := writtenTo(t, aBackup(t))
	wantRun(t, 1, "^$", "data directory is not empty", "restore", file, "--data-dir", dir)
	free := t.TempDir()
	mark, err := disk.OpenMark(free, 0)
	if err != nil {
		t.Fatal(err)
	}
	wantRun(t, 1, "^$", "data directory is in use by another node", "restore", file, "--data-dir", free)
	if err := mark.Close(); err != nil {
		t.Fatal(err)
	}
	wantRun(t, 0, "restored into", "^$", "restore", file, "--data-dir", free)
}

// breaking serves a backup that does not come to its end: at half it calls end.
func breaking(t *testing.T, end func(*http.Request)) (url string) {
	t.Helper()
	b := aBackup(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(b[:len(b)/2])
		_ = http.NewResponseController(w).Flush()
		end(r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// A download that fails leaves the file of before, and nothing else.
func TestBackupThatFails(t *testing.T) {
	damaged := aBackup(t)
	damaged[len(damaged)/2] ^= 1
	server := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	for what, tt := range map[string]struct{ url, want string }{
		"cut off":      {breaking(t, func(*http.Request) { panic(http.ErrAbortHandler) }), "no backup was made: http://.*: unexpected EOF"},
		"ended early":  {breaking(t, func(*http.Request) {}), "no backup was made: the backup is not complete"},
		"damaged":      {server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(damaged) })), "no backup was made: the backup is damaged"},
		"not ready":    {server(httpapi.New(registry.New(registry.Options{}), httpapi.Options{Refuse: func() error { return errors.New("no peer has answered") }})), "no registry node answers: .*no peer has answered"},
		"another":      {server(http.NotFoundHandler()), "too old for backups"},
		"a web page":   {server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })), "this is no backup"},
		"nobody there": {"http://127.0.0.1:1", "refused"},
	} {
		file := writtenTo(t, []byte("of before"))
		if err := os.WriteFile(file+".partial", []byte("of a run that was killed"), 0o644); err != nil {
			t.Fatal(err)
		}
		wantRun(t, exitUnavailable, "^$", tt.want, "backup", file, "--endpoints", tt.url)
		left := []string{"file"}
		if what == "not ready" || what == "another" || what == "nobody there" {
			left = append(left, "file.partial") // it has not come so far
		}
		wantFiles(t, filepath.Dir(file), left...)
		if b, err := os.ReadFile(file); err != nil || string(b) != "of before" {
			t.Errorf("%s: the file holds %q, %v", what, b, err)
		}
	}
}

func TestBackupThatIsInterrupted(t *testing.T) {
	halfway := make(chan struct{})
	url := breaking(t, func(r *http.Request) { close(halfway); <-r.Context().Done() })
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-halfway; cancel() }()
	got := runCommand(ctx, testEnv([]string{"backup", filepath.Join(dir, "file"), "--endpoints", url}))
	if got.code != exitInterrupted {
		t.Errorf("code %d, %q", got.code, got.stderr)
	}
	wantFiles(t, dir)
}

func TestBackupOntoAFullDisk(t *testing.T) {
	if !lbtest.PrivateMounts(t) {
		return
	}
	dir := t.TempDir()
	lbtest.SmallDisk(t, dir)
	n, _ := runNode(t, nodeConfig{name: "dot"})
	answer(t, "PUT", n.URL()+"/v2/keys/large", "value="+strings.Repeat("x", 300<<10))
	wantRun(t, exitFailure, "^$", "no backup was made: .*no space left on device", "backup", filepath.Join(dir, "file"), "--endpoints", n.URL())
	wantFiles(t, dir)
	wantRun(t, exitFailure, "^$", "no such file or directory", "backup", filepath.Join(dir, "none", "file"), "--endpoints", n.URL())
}

// A disk that is full in the middle of a restore leaves a directory that is good for another.
func TestRestoreOntoAFullDisk(t *testing.T) {
	if !lbtest.PrivateMounts(t) {
		return
	}
	n, _ := runNode(t, nodeConfig{name: "dot"})
	for i := range 5 {
		noise := make([]byte, 200<<10) // it cannot be compressed
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(noise)
		answer(t, "PUT", fmt.Sprintf("%s/v2/keys/%d", n.URL(), i), fmt.Sprintf("value=%x", noise))
	}
	file, dir := filepath.Join(t.TempDir(), "file"), t.TempDir()
	wantRun(t, 0, "5 entries", "^$", "backup", file, "--endpoints", n.URL())
	lbtest.SmallDisk(t, dir)
	wantRun(t, exitFailure, "^$", "no space left on device\n$", "restore", file, "--data-dir", dir)
	wantFiles(t, dir, "lock")
	wantRun(t, exitFailure, "^$", "no space left on device\n$", "restore", file, "--data-dir", dir)
	full := filepath.Join(t.TempDir(), "data")
	lbtest.SmallDisk(t, full)
	if err := os.Mkdir(filepath.Join(full, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	lbtest.Fill(t, full) // to the last byte
	wantRun(t, exitFailure, "^$", "no space left on device", "restore", file, "--data-dir", filepath.Join(full, "sub"))
}
