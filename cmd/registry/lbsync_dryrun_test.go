package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync"
)

func TestPreviewText(t *testing.T) {
	p := previewPrinter{}
	p.print(lbsync.Preview{
		Config: "a.cfg", Kind: "haproxy", Before: []byte("one\n\x1b[31m\r\ntwo\n"), After: []byte("one\ntwo\nthree\n"),
		Plan: lbsync.Plan{Running: true, Commands: []string{"add server b/s", "set\x07"}, Reload: "the frontend differs"},
	})
	p.print(lbsync.Preview{Config: "b.conf", Kind: "nginx", After: []byte("x\n")})
	p.print(lbsync.Preview{Config: "c.conf", Kind: "nginx", Before: []byte("x\n"), After: []byte("x\n"), Plan: lbsync.Plan{Running: true}})
	p.print(lbsync.Preview{Config: "d.conf", Kind: "nginx", Before: []byte("x\n"), After: []byte("x\n"), PlanErr: errors.New("no\x00thing")})
	want := `--- a.cfg
+++ a.cfg
@@ -1,3 +1,3 @@
 one
-\x1b[31m\r
 two
+three
haproxy a.cfg: the file would be replaced
  command: add server b/s
  command: set\a
  reload: the frontend differs
--- /dev/null
+++ b.conf
@@ -0,0 +1 @@
+x
nginx b.conf: the file would be made
  no running balancer answers, so it is not known what it runs
nginx c.conf: the file stays as it is
  the running balancer needs nothing
nginx d.conf: the file stays as it is
  what the running balancer needs cannot be told: no\x00thing
`
	if d := cmp.Diff(want, p.String()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestPreviewColors(t *testing.T) {
	p := previewPrinter{colored: true}
	p.print(lbsync.Preview{Config: "a", Kind: "nginx", Before: []byte("-- x\n"), After: []byte("++ x\n"), Plan: lbsync.Plan{Running: true}})
	want := "\x1b[1m--- a\x1b[0m\n\x1b[1m+++ a\x1b[0m\n\x1b[36m@@ -1 +1 @@\x1b[0m\n\x1b[31m--- x\x1b[0m\n\x1b[32m+++ x\x1b[0m\n" +
		"\x1b[1mnginx a: the file would be replaced\x1b[0m\n  the running balancer needs nothing\n"
	if d := cmp.Diff(want, p.String()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, tt := range []struct {
		color, noColor string
		want           bool
	}{
		{"always", "", true}, {"always", "1", true}, {"never", "", false}, {"auto", "", false}, {"auto", "1", false},
	} {
		f := lbsyncFlags{color: tt.color}
		if got := f.printer(&cli{environment: testEnv(nil, "NO_COLOR="+tt.noColor)}).colored; got != tt.want {
			t.Errorf("--color=%s NO_COLOR=%s: %t", tt.color, tt.noColor, got)
		}
	}
}

// A dry run only reads: on the disk, and in the registry.
func TestLbsyncDryRun(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("X-Etcd-Index", "7")
		fmt.Fprint(w, listingOfTwo)
	}))
	defer node.Close()
	d := newSupervisedDir(t, endpoints(node.URL))
	d.write(t, "haproxy.cfg", "# one\n# 10.0.1.1:8080\n")
	before := snapshot(t, d.path)
	args := []string{"lbsync", "--dry-run", "--config", d.file("lbsync.yaml")}
	got := runCommand(t.Context(), testEnv(args))
	if got.code != 0 || !strings.Contains(got.stdout, "@@ -1,2 +1,3 @@\n # one\n # 10.0.1.1:8080\n+# 10.0.1.2:81\n") {
		t.Errorf("exit code %d: %s\n%s", got.code, got.stdout, got.stderr)
	}
	if d := cmp.Diff(before, snapshot(t, d.path)); d != "" {
		t.Errorf("the directory has changed: %s", d)
	}
	d.write(t, "haproxy.cfg", "# one\n# 10.0.1.1:8080\n# 10.0.1.2:81\n")
	if got := runCommand(t.Context(), testEnv(args)); got.code != 0 || !strings.Contains(got.stdout, "the file stays as it is") || strings.Contains(got.stdout, "@@") {
		t.Errorf("exit code %d: %s\n%s", got.code, got.stdout, got.stderr)
	}
}

// snapshot is every file of a directory with content and time.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = info.ModTime().String() + info.Mode().String() + string(text)
	}
	return files
}

func TestLbsyncDryRunThatFails(t *testing.T) {
	d := newSupervisedDir(t, endpoints(startNode(t, http.StatusServiceUnavailable, `{"errorCode":300,"message":"x","index":0}`)))
	got := runCommand(t.Context(), testEnv([]string{"lbsync", "--dry-run", "--config", d.file("lbsync.yaml")}))
	if got.code != exitUnavailable || got.stdout != "" || !strings.Contains(got.stderr, "nothing is known of its services") {
		t.Errorf("exit code %d: %s\n%s", got.code, got.stdout, got.stderr)
	}
}

func TestLbsyncUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--once", "--dry-run", "--config=x"},
		{"--dry-run", "--print-schema", "--config=x"},
		{"--dry-run"},
		{"--dry-run", "--config=x", "--color=blue"},
	} {
		got := runCommand(t.Context(), testEnv(append([]string{"lbsync"}, args...)))
		if got.code != exitFailure || !strings.Contains(got.stderr, "registry lbsync --help") {
			t.Errorf("%v: exit code %d: %s", args, got.code, got.stderr)
		}
	}
}

func TestLbsyncPrintSchema(t *testing.T) {
	want, err := os.ReadFile("../../docs/lbsync.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := runCommand(t.Context(), testEnv([]string{"lbsync", "--print-schema"})); got.code != 0 || got.stdout != string(want) {
		t.Errorf("exit code %d: %s", got.code, got.stdout)
	}
}
