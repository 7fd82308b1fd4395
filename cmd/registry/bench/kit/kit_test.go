package kit

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

type work struct{}

func TestSelect(t *testing.T) {
	rows := []Row[work, io.Writer]{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	for only, want := range map[string]string{"": "a, b, c", "c,a": "c, a", "b": "b"} {
		if got, err := Select(rows, only); err != nil || Names(got) != want {
			t.Errorf("%q: %s, %v", only, Names(got), err)
		}
	}
	if _, err := Select(rows, "a,x"); err == nil || !strings.Contains(err.Error(), `"x"; there are a, b, c`) {
		t.Errorf("an unknown row: %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const numbers = " S 1 12 12 0 -1 4194560 100 0 0 0 30 20 7 3 20 0 1 0 5 6"
	for _, name := range []string{"etcd", "two words", "a) S 9 (b"} {
		parent, own, children, err := parseStat([]byte("12 (" + name + ")" + numbers))
		if parent != 1 || own != 500*time.Millisecond || children != 100*time.Millisecond || err != nil {
			t.Errorf("program %q: %d, %v, %v, %v", name, parent, own, children, err)
		}
	}
	for _, bad := range []string{"", "12 (x) S 1", "12 (x)" + strings.Replace(numbers, "30", "x", 1)} {
		if _, _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseBusy(t *testing.T) {
	busy, err := parseBusy("cpu  100 20 30 9000 50 1 2 7 0 0\ncpu0 1 1 1\n")
	if want := 1600 * time.Millisecond; err != nil || busy != want {
		t.Errorf("busy for %v, %v, want %v", busy, err, want)
	}
	if _, err := parseBusy("intr 5\n"); err == nil {
		t.Error("a foreign first line gives no error")
	}
}

func TestDescends(t *testing.T) {
	parents := map[int]int{1: 0, 5: 1, 6: 5, 7: 6, 8: 9, 9: 8}
	for pid, want := range map[int]bool{5: true, 7: true, 1: false, 8: false, 42: false} {
		if got := descends(pid, 5, parents); got != want {
			t.Errorf("%d: %v", pid, got)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		target        Target
		value         float64
		text, verdict string
	}{
		{AtLeast(10_000), 10_000, "≥ 10000", "met"},
		{AtLeast(2.5), 2.4, "≥ 2.50", "missed"},
		{AtMost(0), 0, "≤ 0", "met"},
		{AtMost(0.35), 0.36, "≤ 0.35", "missed"},
		{Target{}, 1, "", ""},
	} {
		if text, verdict := tt.target.String(), tt.target.Verdict(tt.value); text != tt.text || verdict != tt.verdict {
			t.Errorf("%+v: %q, %q", tt, text, verdict)
		}
	}
}

func TestMarkdown(t *testing.T) {
	details := Table{Title: "More", Head: []string{"a", "b"}}
	details.AddFigures("x", 12.34)
	details.Add("y", "z")
	const want = "- fact\n\nMore:\n\n| a | b |\n| --- | --- |\n| x | 12.3 |\n| y | z |\n"
	if got := Markdown([]string{"fact"}, details, Table{Title: "nothing"}); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Pause(ctx, time.Hour); err == nil {
		t.Error("no error")
	}
}
