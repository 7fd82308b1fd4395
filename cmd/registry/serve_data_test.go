package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a node held comes back, with its indexes, and leases have their whole TTL again.
func TestRestartKeepsTheState(t *testing.T) {
	t.Parallel()
	cfg := nodeConfig{name: "dot", dataDir: t.TempDir()}
	n, stop := runNode(t, cfg)
	answer(t, "PUT", n.URL()+"/v2/keys/creds/db", "value=secret")
	answer(t, "PUT", n.URL()+"/v2/keys/creds/old", "value=gone")
	answer(t, "DELETE", n.URL()+"/v2/keys/creds/old", "")
	answer(t, "PUT", n.URL()+"/v2/keys/empty?dir=true", "")
	answer(t, "PUT", n.URL()+"/v2/keys/frontends/fe1", "value=10.0.1.1&ttl=100")
	before := answer(t, "GET", n.URL()+"/v2/keys/creds/db", "")
	last := n.store.Index()
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	n, _ = runNode(t, cfg)
	if got := answer(t, "GET", n.URL()+"/v2/keys/creds/db", ""); got != before {
		t.Errorf("%s has become %s", before, got)
	}
	for key, want := range map[string]string{
		"/frontends/fe1": `"ttl":100`, "/creds/old": `"errorCode":100`, "/empty": `"dir":true`,
	} {
		if got := answer(t, "GET", n.URL()+"/v2/keys"+key, ""); !strings.Contains(got, want) {
			t.Errorf("%s has no %s: %s", key, want, got)
		}
	}
	if got := setIndex(t, n.URL()); got <= last {
		t.Errorf("index %d after %d", got, last)
	}
	resumed := answer(t, "GET", fmt.Sprintf("%s/v2/keys/creds?wait=true&recursive=true&waitIndex=%d", n.URL(), last), "")
	if !strings.Contains(resumed, `"errorCode":401`) {
		t.Errorf("a watch of the former run got %s", resumed)
	}
}

// Without a heartbeat a lease ends one TTL after the restart, not before, however long the
// node was down.
func TestLeasesEndAfterARestart(t *testing.T) {
	t.Parallel()
	cfg := nodeConfig{name: "dot", dataDir: t.TempDir()}
	n, stop := runNode(t, cfg)
	answer(t, "PUT", n.URL()+"/v2/keys/frontends/fe1", "value=10.0.1.1&ttl=2")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // it is down for longer than the lease
	n, _ = runNode(t, cfg)
	began := time.Now()
	if got := value(t, n, "/frontends/fe1"); got != "10.0.1.1" {
		t.Errorf("after the restart it is %s", got)
	}
	eventually(t, "404", func() string { return value(t, n, "/frontends/fe1") })
	if lived := time.Since(began); lived < 1900*time.Millisecond || lived > 4*time.Second {
		t.Errorf("the lease of 2 s lived %v", lived)
	}
}

// wantRefusedStart tries to start a node, which must fail with all of the given texts.
func wantRefusedStart(t *testing.T, cfg nodeConfig, texts ...string) {
	t.Helper()
	cfg.listen = "127.0.0.1:0"
	_, err := newNode(t.Context(), cfg, "test", slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("it starts")
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v does not say %s", err, text)
		}
	}
}

// damage takes the database's description from a data directory.
func damage(t *testing.T, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "db", "MANIFEST-*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no description: %v", err)
	}
	for _, path := range found {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// A node whose data directory is damaged does not start, and so never shows less than it has
// acknowledged. Told to, it takes all from the others, and serves only then.
func TestResync(t *testing.T) {
	t.Parallel()
	first, stopFirst := runNode(t, joining("dot"))
	cfg := joining("dash", first)
	cfg.dataDir = t.TempDir()
	second, stop := runNode(t, cfg)
	waitReady(t, second)
	answer(t, "PUT", second.URL()+"/v2/keys/creds", "value=secret")
	eventually(t, "secret", func() string { return value(t, first, "/creds") })
	wantSoon(t, stop)

	damage(t, cfg.dataDir)
	wantRefusedStart(t, cfg, cfg.dataDir, "damaged", "--resync")
	cfg.resync = true
	second, stop = runNode(t, cfg)
	waitReady(t, second)
	if got := value(t, second, "/creds"); got != "secret" {
		t.Errorf("after the resync it is %s", got)
	}
	eventually(t, "false", func() string { return strconv.FormatBool(second.data.isResyncing()) })
	wantSoon(t, stop)
	if _, err := os.Stat(filepath.Join(cfg.dataDir, "db.damaged")); err != nil {
		t.Errorf("what was damaged is gone: %v", err)
	}

	// It has the state on disk now, and needs nobody.
	wantSoon(t, stopFirst)
	cfg.resync, cfg.gossip.join = false, nil
	alone, _ := runNode(t, cfg)
	eventually(t, "secret", func() string { return value(t, alone, "/creds") })
}

// A resync whose peers cannot be reached waits for them for ever, also in the next run.
func TestResyncNeedsAPeer(t *testing.T) {
	t.Parallel()
	first, stopFirst := runNode(t, joining("dot"))
	waitReady(t, first)
	seed := first.cluster.gossip.Addr()
	wantSoon(t, stopFirst)

	cfg := joining("dash")
	cfg.dataDir = t.TempDir()
	_, stop := runNode(t, cfg)
	wantSoon(t, stop)
	damage(t, cfg.dataDir)
	cfg.resync = true
	got := runCommand(t.Context(), testEnv([]string{"serve", anyPort, "--data-dir", cfg.dataDir, "--resync"}))
	if got.code != exitFailure || !strings.Contains(got.stderr, "--resync: needs --data-dir and --join") {
		t.Errorf("a resync from nobody: exit %d, %s", got.code, got.stderr)
	}
	cfg.gossip.join = []string{seed}
	lonely, stop := runNode(t, cfg)
	notReady := func(n *node) {
		t.Helper()
		if got := answer(t, "GET", n.URL()+"/readyz", ""); !strings.Contains(got, "[-]sync failed: ") {
			t.Errorf("readyz: %s", got)
		}
		if got := answer(t, "GET", n.URL()+"/v2/keys/", ""); !strings.Contains(got, `"errorCode":301`) {
			t.Errorf("a read: %s", got)
		}
	}
	time.Sleep(11 * time.Second) // a node that needs nobody goes on alone after ten
	notReady(lonely)
	wantSoon(t, stop)

	cfg.resync = false
	lonely, stop = runNode(t, cfg)
	notReady(lonely)
	wantSoon(t, stop)
	cfg.gossip.join = nil
	wantRefusedStart(t, cfg, "resync has begun", "--join")
}

// A data directory of a newer program is refused, with its version.
func TestNewerDataDirIsRefused(t *testing.T) {
	t.Parallel()
	cfg := nodeConfig{name: "dot", dataDir: t.TempDir()}
	_, stop := runNode(t, cfg)
	wantSoon(t, stop)
	if err := os.WriteFile(filepath.Join(cfg.dataDir, "db", "format"), []byte("rollcall journal, format 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefusedStart(t, cfg, "format 2", "up to format 1")
}

// An index mark that is gone is no obstacle: indexes go by the clock.
func TestMissingIndexMark(t *testing.T) {
	t.Parallel()
	cfg := nodeConfig{name: "dot", dataDir: t.TempDir()}
	n, stop := runNode(t, cfg)
	last := setIndex(t, n.URL())
	wantSoon(t, stop)
	if err := os.Remove(indexFile(cfg.dataDir)); err != nil {
		t.Fatal(err)
	}
	n, _ = runNode(t, cfg)
	if got := value(t, n, "/a"); got != "1" {
		t.Errorf("the entry is %s", got)
	}
	if got := setIndex(t, n.URL()); got <= last {
		t.Errorf("index %d after %d", got, last)
	}
}

// An older copy of the data directory put back brings back nothing that was deleted since, as
// long as there are peers; a node alone cannot know.
func TestOlderCopyOfTheDataDir(t *testing.T) {
	t.Parallel()
	first, _ := runNode(t, joining("dot"))
	cfg := joining("dash", first)
	cfg.dataDir = t.TempDir()
	second, stop := runNode(t, cfg)
	waitReady(t, second)
	for _, key := range []string{"/stays", "/goes", "/changes"} {
		answer(t, "PUT", second.URL()+"/v2/keys"+key, "value=old")
	}
	wantSoon(t, stop)
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(cfg.dataDir)); err != nil {
		t.Fatal(err)
	}
	second, stop = runNode(t, cfg)
	waitReady(t, second)
	answer(t, "DELETE", second.URL()+"/v2/keys/goes", "")
	answer(t, "PUT", second.URL()+"/v2/keys/changes", "value=new")
	last := setIndex(t, second.URL())
	eventually(t, "1", func() string { return value(t, first, "/a") })
	wantSoon(t, stop)

	cfg.dataDir = older
	second, _ = runNode(t, cfg)
	waitReady(t, second)
	for _, n := range []*node{first, second} {
		for key, want := range map[string]string{"/stays": "old", "/goes": "404", "/changes": "new", "/a": "1"} {
			if got := value(t, n, key); got != want {
				t.Errorf("%s of %s is %s, want %s", key, n.cfg.name, got, want)
			}
		}
	}
	if got := setIndex(t, second.URL()); got <= last {
		t.Errorf("index %d after %d", got, last)
	}
}

// All nodes are lost, and there is a backup: one node is restored, the others join it empty,
// and clients go on where they were.
func TestClusterFromABackup(t *testing.T) {
	t.Parallel()
	old, stop := runNode(t, nodeConfig{name: "dot"})
	answer(t, "PUT", old.URL()+"/v2/keys/creds/db", "value=secret")
	answer(t, "PUT", old.URL()+"/v2/keys/frontends/fe1", "value=10.0.1.1&ttl=100")
	before := answer(t, "GET", old.URL()+"/v2/keys/creds/db", "")
	last := setIndex(t, old.URL())
	file, dir := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	wantRun(t, 0, "5 entries, 2 of them directories, 1 with a lease", "^$", "backup", "--endpoint", old.URL(), file)
	answer(t, "PUT", old.URL()+"/v2/keys/creds/db", "value=later")
	wantSoon(t, stop)
	wantRun(t, 0, "restored into", "^$", "restore", file, "--data-dir", dir)

	cfg := joining("dash")
	cfg.dataDir = dir
	first, _ := runNode(t, cfg)
	waitReady(t, first)
	cfg = joining("new", first)
	cfg.dataDir = t.TempDir()
	second, _ := runNode(t, cfg)
	waitReady(t, second)
	if got := answer(t, "GET", first.URL()+"/v2/keys/creds/db", ""); got != before {
		t.Errorf("%s has become %s", before, got)
	}
	for _, n := range []*node{first, second} {
		if got := value(t, n, "/creds/db"); got != "secret" {
			t.Errorf("%s has %s", n.cfg.name, got)
		}
		if got := answer(t, "GET", n.URL()+"/v2/keys/frontends/fe1", ""); !strings.Contains(got, `"ttl":100`) {
			t.Errorf("%s has %s", n.cfg.name, got)
		}
	}
	if got := setIndex(t, first.URL()); got <= last {
		t.Errorf("index %d after %d", got, last)
	}
	answer(t, "DELETE", second.URL()+"/v2/keys/creds/db", "")
	eventually(t, "404", func() string { return value(t, first, "/creds/db") })
}
