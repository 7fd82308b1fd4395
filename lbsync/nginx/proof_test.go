package nginx

import (
	"path/filepath"
	"testing"
)

func TestConcerns(t *testing.T) {
	for _, tt := range []struct {
		title, config string
		want          bool
	}{
		{"nginx: master process /usr/sbin/nginx -g daemon on; master_process on;", "", true},
		{"nginx: master process nginx -p /x -c /x/nginx.conf", "", false},
		{"nginx: master process nginx -p /x -c /x/nginx.conf", "/x/nginx.conf", true},
		{"nginx: master process nginx -c /y/nginx.conf", "/x/nginx.conf", false},
		{"nginx: master process nginx -c", "/x/nginx.conf", false},
	} {
		if got := concerns(tt.title, tt.config); got != tt.want {
			t.Errorf("%q, %q: %v", tt.title, tt.config, got)
		}
	}
}

func TestReplacedBy(t *testing.T) {
	type workers = map[int]map[int]bool
	before := sight{workers: workers{1: {10: true, 11: true}}}
	for name, tt := range map[string]struct {
		now  workers
		want bool
	}{
		"nothing has happened":   {workers{1: {10: true, 11: true}}, false},
		"new ones, an old one":   {workers{1: {11: true, 12: true}}, false},
		"between the two":        {workers{1: {}}, false},
		"all are new":            {workers{1: {12: true}}, true},
		"started anew":           {workers{2: {20: true}}, true},
		"everything has stopped": {workers{}, false},
	} {
		if got := before.replacedBy(sight{workers: tt.now}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNothingToSeeIsNoFailure(t *testing.T) {
	main := t.TempDir() + "/nobody.conf"
	r := reload{main: main, before: look(main)}
	if err := r.wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// A port that is taken is tried again; all else that the master reports is its last word.
func TestRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "error.log")
	r := reload{before: sight{workers: map[int]map[int]bool{7: {}}}, log: errorLog{path: path}}
	for line, want := range map[string]bool{
		"[emerg] 7#7: bind() to 127.0.0.1:80 failed (98: Address already in use)": false,
		"[emerg] 7#7: still could not bind()":                                     true,
		"[emerg] 8#8: still could not bind()":                                     false,
		"[alert] 7#7: worker process 9 exited on signal 9":                        false,
	} {
		writeFile(t, path, "2026/11/25 10:00:00 "+line+"\n")
		if got := r.refused(); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
	r.before = sight{}
	writeFile(t, path, "2026/11/25 10:00:00 [emerg] 7#7: still could not bind()\n")
	if r.refused() {
		t.Error("a line of nobody known counts")
	}
}
