package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"rollcall/registry"
)

// The mark of a node with another name says nothing; one that is years ahead is refused.
func TestForeignAndDamagedMarks(t *testing.T) {
	dir := t.TempDir()
	write := func(mark uint64) {
		if err := os.WriteFile(indexFile(dir), fmt.Append(nil, mark), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tag := tagOf("dot")
	other := tag%registry.MaxTag + 1
	write(other<<48 | 1<<40)
	n, stop := runNode(t, nodeConfig{name: "dot", dataDir: dir})
	if got := setIndex(t, n.URL()); got>>48 != tag {
		t.Errorf("index %d has tag %d, want %d", got, got>>48, tag)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if mark := bound(t, dir); mark>>48 != tag {
		t.Errorf("the mark has tag %d, want %d", mark>>48, tag)
	}
	write((tag+1)<<48 - 1)
	_, err := newNode(t.Context(), nodeConfig{name: "dot", dataDir: dir, listen: "127.0.0.1:0"}, "test", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "ahead of the clock") {
		t.Errorf("a mark of the year 2162: %v", err)
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
