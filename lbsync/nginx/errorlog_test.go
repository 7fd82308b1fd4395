package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestErrorLogPath(t *testing.T) {
	for text, want := range map[string]string{
		"":                                        defaultErrorLog,
		"error_log /a/b.log;":                     "/a/b.log",
		"user x;\n  error_log\t/a/b.log warn;\n":  "/a/b.log",
		"error_log \"/a b/c.log\" warn;":          "/a b/c.log",
		"error_log 'logs/c.log';":                 "logs/c.log",
		"# error_log /a;\nerror_log stderr;":      "stderr",
		"http {\n error_log /of/http;\n}\n":       defaultErrorLog,
		"error_log /a;\nhttp {\n error_log /b;\n": "/a",
	} {
		if got := errorLogPath(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestComplaints(t *testing.T) {
	dir := t.TempDir()
	main, path := filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "error.log")
	writeFile(t, main, "error_log error.log;\n")
	writeFile(t, path, "2026/11/25 10:00:00 [emerg] 7#7: earlier, and long enough\n")
	log := openErrorLog(main, dir)
	appendTo(t, path, strings.Repeat("x", logLimit)+"\n",
		"2026/11/25 10:00:01 [notice] 7#7: signal 1 (SIGHUP) received, reconfiguring\n",
		"2026/11/25 10:00:01 [emerg] 8#8: of another process\n",
		"2026/11/25 10:00:01 [emerg] 7#7: bind() to 127.0.0.1:80 failed (98: Address already in use)\n",
		"2026/11/25 10:00:02 [emerg] 7#7: bind() to 127.0.0.1:80 failed (98: Address already in use)\n",
		"2026/11/25 10:00:03 [emerg] 7#7: still could not bind()\n")
	want := []string{
		"[emerg] bind() to 127.0.0.1:80 failed (98: Address already in use)",
		"[emerg] still could not bind()",
	}
	if diff := cmp.Diff(want, log.complaints([]int{7})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := log.complaints(nil); len(got) != 3 {
		t.Errorf("of all processes: %q", got)
	}
	for i := range 20 {
		appendTo(t, path, fmt.Sprintf("2026/11/25 10:00:03 [error] 7#7: number %d\n", i))
	}
	if got := log.complaints([]int{7}); len(got) != quoteLimit || got[quoteLimit-1] != "[error] number 19" {
		t.Errorf("many: %q", got)
	}
	writeFile(t, path, "2026/11/25 10:00:03 [alert] 7#7: new file\n")
	if got := log.complaints([]int{7}); len(got) != 1 {
		t.Errorf("rotated: %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := log.complaints(nil); got != nil {
		t.Errorf("removed: %q", got)
	}
}

func TestNoErrorLog(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "nginx.conf")
	for _, text := range []string{"error_log stderr;\n", "error_log " + dir + ";\n", "error_log syslog:server=x;\n"} {
		writeFile(t, main, text)
		if log := openErrorLog(main, ""); log.path != "" || log.complaints(nil) != nil {
			t.Errorf("%q: got %+v", text, log)
		}
	}
	if log := openErrorLog(filepath.Join(dir, "none"), ""); log.path != "" {
		t.Errorf("got %+v", log)
	}
}

func appendTo(t *testing.T, path string, lines ...string) {
	t.Helper()
	writeFile(t, path, readFile(t, path)+strings.Join(lines, ""))
}
