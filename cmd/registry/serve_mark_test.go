package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"rollcall/registry"
)

// A node goes on with the tag of its mark, which may have changed since it got its name. A
// number that is no index of a node says nothing.
func TestMarkKeepsTheTag(t *testing.T) {
	named := tagOf("dot")
	changed := named%registry.MaxTag + 1
	for mark, want := range map[uint64]uint64{
		changed<<48 | 1<<40:         changed,
		1 << 40:                     named, // without a tag
		(registry.MaxTag + 1) << 48: named,
		1<<64 - 1:                   named,
	} {
		dir := t.TempDir()
		writeMark(t, dir, mark)
		n, stop := runNode(t, nodeConfig{name: "dot", dataDir: dir})
		if got := setIndex(t, n.URL()); got>>48 != want {
			t.Errorf("mark %d: index %d has tag %d, want %d", mark, got, got>>48, want)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if got := bound(t, dir); got>>48 != want {
			t.Errorf("mark %d: the new mark has tag %d, want %d", mark, got>>48, want)
		}
	}
}

// A mark that is years ahead is damaged, and the node says what to do.
func TestMarkOfTheFarFuture(t *testing.T) {
	dir := t.TempDir()
	writeMark(t, dir, (tagOf("dot")+1)<<48-1)
	_, err := newNode(t.Context(), nodeConfig{name: "dot", dataDir: dir, listen: "127.0.0.1:0"}, "test", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "ahead of the clock") {
		t.Errorf("a mark of the year 2162: %v", err)
	}
}

func writeMark(t *testing.T, dir string, mark uint64) {
	t.Helper()
	if err := os.WriteFile(indexFile(dir), fmt.Append(nil, mark), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Two nodes do not share a data directory.
func TestDataDirIsExclusive(t *testing.T) {
	dir := t.TempDir()
	runNode(t, nodeConfig{name: "dot", dataDir: dir})
	got := runCommand(t.Context(), testEnv([]string{"serve", "--listen", "127.0.0.1:0", "--data-dir", dir}))
	if got.code != exitFailure || !strings.Contains(got.stderr, "in use by another node") {
		t.Errorf("exit %d, %s", got.code, got.stderr)
	}
}
