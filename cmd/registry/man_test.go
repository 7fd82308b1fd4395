package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every command has a page, and the same source gives the same pages.
func TestManual(t *testing.T) {
	t.Parallel()
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		got := runCommand(t.Context(), testEnv([]string{"man", dir}, "SOURCE_DATE_EPOCH=86400"))
		if got.code != 0 {
			t.Fatal(got.stderr)
		}
	}
	for _, name := range append(subcommands(), "lbsync-status", "completion-bash", "") {
		if name == "man" {
			continue // Hidden.
		}
		page := "man1/" + strings.TrimSuffix("registry-"+name, "-") + ".1"
		text := readFile(t, filepath.Join(dirs[0], page))
		if !strings.Contains(text, `"Jan 1970"`) || text != readFile(t, filepath.Join(dirs[1], page)) {
			t.Errorf("%s is not reproducible:\n%.300s", page, text)
		}
	}
	if text := readFile(t, filepath.Join(dirs[0], "man1/registry-serve.1")); !strings.Contains(text, "check-config") {
		t.Errorf("the page of serve lacks a flag:\n%s", text)
	}
	for _, name := range []string{"registry.bash", "_registry", "registry.fish"} {
		if info, err := os.Stat(filepath.Join(dirs[0], "completions", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
