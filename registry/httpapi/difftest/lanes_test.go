package difftest

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
)

// sideBySide is how many scenarios run at once. Most of their time is waiting for TTLs.
const sideBySide = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if !isSet("test.parallel") {
		_ = flag.Set("test.parallel", sideBySide)
	}
	code := m.Run()
	if code == 0 && !isSet("test.run") && !isSet("test.skip") && !isSet("test.list") {
		for _, problem := range seen.judge() {
			fmt.Println("FAIL:", problem)
			code = 1
		}
	}
	os.Exit(code)
}

func isSet(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// lanes lends etcds to scenarios that run side by side. Each is started when the first scenario finds none free.
type lanes struct {
	owner *testing.T
	mu    sync.Mutex
	free  []*Target
}

func newLanes(t *testing.T) *lanes {
	t.Helper()
	return &lanes{owner: t}
}

// take lends an etcd without keys.
func (l *lanes) take() *Target {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == 0 {
		return StartEtcd(l.owner)
	}
	target := l.free[0]
	l.free = l.free[1:]
	return target
}

// give takes an etcd back, without the keys of the scenario.
func (l *lanes) give(t *testing.T, target *Target, sc Scenario) {
	t.Helper()
	wipe(t, target, sc)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, target)
}

// wipe removes everything listed at the root, and the hidden names that the scenario's requests mention.
func wipe(t *testing.T, target *Target, sc Scenario) {
	t.Helper()
	names := map[string]bool{}
	root := parseTarget(http.MethodGet, "/", "").do(t.Context(), target)
	for _, child := range root.document().Node.Nodes {
		names[child.Key] = true
	}
	for _, step := range sc.Steps {
		for part := range strings.FieldsSeq(step.text) {
			if path, ok := strings.CutPrefix(part, "/v2/keys/_"); ok {
				name, _, _ := strings.Cut(path, "/")
				name, _, _ = strings.Cut(name, "?")
				names["/_"+name] = true
			}
		}
	}
	for name := range names {
		path := (&url.URL{Path: name}).EscapedPath()
		parseTarget(http.MethodDelete, path+"?recursive=true", "").do(t.Context(), target)
	}
}
