package difftest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocument checks that docs/differences.md has exactly the rows of [Differences].
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, d := range Differences() {
		want = append(want, fmt.Sprintf("| `%s` | %s | %s | %s | %s |", d.ID, d.Etcd, d.Rollcall, d.Reason, d.Treatment))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table of docs/differences.md is not that of differences.go (-want +got):\n%s", diff)
		t.Logf("the rows should be:\n%s", strings.Join(want, "\n"))
	}
}
