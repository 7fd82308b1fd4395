package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// documents are the paths of all Markdown files of the repository, from here.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"../*.md", "*.md", "../charts/*.md", "../charts/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
)

// anchor is what GitHub makes of a heading: small letters, digits, hyphens and underscores, and hyphens for spaces.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, link.ReplaceAllString(heading, "]"))
}

// anchors are those of a document; of equal headings the later ones have a number.
func anchors(text string) map[string]bool {
	found, count := map[string]bool{}, map[string]int{}
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		a := anchor(h[1])
		if n := count[a]; n > 0 {
			found[a+"-"+strconv.Itoa(n)] = true
		} else {
			found[a] = true
		}
		count[a]++
	}
	return found
}

func TestAnchor(t *testing.T) {
	t.Parallel()
	for heading, want := range map[string]string{
		"Upgrade, replace, remove":         "upgrade-replace-remove",
		"Waiting: `registry applied`":      "waiting-registry-applied",
		"Not ready: /readyz says …":        "not-ready-readyz-says-",
		"A [link](to.md) and_more — 2 [x]": "a-link-and_more--2-x",
	} {
		if got := anchor(heading); got != want {
			t.Errorf("%q: %q, want %q", heading, got, want)
		}
	}
	found := anchors("# A\n## B b\n```sh\n# no heading\n```\n## B b\n")
	if len(found) != 3 || !found["a"] || !found["b-b"] || !found["b-b-1"] {
		t.Errorf("%v", found)
	}
}

// Every link to a file or a heading of the repository leads somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	links := 0
	for _, path := range documents(t) {
		text := read(t, path)
		for _, l := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			target, at, _ := strings.Cut(l[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", path, l[1])
			} else if at != "" && !anchors(read(t, to))[at] {
				t.Errorf("%s: %s has no heading of that name", path, l[1])
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links found", links)
	}
}

// literals returns all strings in the source of the programs, without the tests.
func literals(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name != ".." && (strings.HasPrefix(name, ".") || name == "bench" || strings.HasSuffix(name, "test")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					all = append(all, s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// quotes are texts of the programs in documents: `"a part of a text"`, and msg and message of JSON.
var quotes = []*regexp.Regexp{
	regexp.MustCompile("`\"([^`\"]+)\"`"),
	regexp.MustCompile(`"msg":"([^"]+)"`),
	regexp.MustCompile(`"message":"([^"]+)"`),
}

// span is code in a line.
var span = regexp.MustCompile("`([^`]+)`")

// tableIn returns the first cells of the tables below a heading.
func tableIn(t *testing.T, path, heading string) (cells []string) {
	t.Helper()
	_, text, found := strings.Cut(read(t, path), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", path, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if cell, isRow := strings.CutPrefix(line, "| "); isRow {
			cell, _, _ = strings.Cut(cell, " |")
			cells = append(cells, cell)
		}
	}
	return cells
}

// The log lines that documents explain are those of the programs.
func TestLogLines(t *testing.T) {
	t.Parallel()
	source, lines := strings.Join(literals(t), "\x00"), 0
	for path, heading := range map[string]string{"cluster.md": "What log lines mean", "tls.md": "What to watch"} {
		for _, cell := range tableIn(t, path, heading) {
			for _, s := range span.FindAllStringSubmatch(cell, -1) {
				if text := strings.TrimSuffix(s[1], "…"); !strings.Contains(text, "rollcall_") {
					lines++
					if !strings.Contains(source, text) {
						t.Errorf("%s: no program says %q", path, text)
					}
				}
			}
		}
	}
	if lines < 30 {
		t.Errorf("only %d lines found", lines)
	}
}

// What troubleshooting.md quotes is what the programs say.
func TestQuotes(t *testing.T) {
	t.Parallel()
	text, quoted := read(t, "troubleshooting.md"), 0
	source := strings.Join(literals(t), "\x00")
	for _, q := range quotes {
		for _, found := range q.FindAllStringSubmatch(text, -1) {
			quoted++
			if !strings.Contains(source, found[1]) {
				t.Errorf("no program says %q", found[1])
			}
		}
	}
	if quoted < 30 {
		t.Errorf("only %d texts found", quoted)
	}
}
