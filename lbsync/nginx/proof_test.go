package nginx

import "testing"

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
	before := sight{1: {10: true, 11: true}}
	for name, tt := range map[string]struct {
		now  sight
		want bool
	}{
		"nothing has happened":   {sight{1: {10: true, 11: true}}, false},
		"new ones, an old one":   {sight{1: {11: true, 12: true}}, false},
		"between the two":        {sight{1: {}}, false},
		"all are new":            {sight{1: {12: true}}, true},
		"started anew":           {sight{2: {20: true}}, true},
		"everything has stopped": {sight{}, false},
	} {
		if got := before.replacedBy(tt.now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNothingToSeeIsNoFailure(t *testing.T) {
	if err := newWorkers(t.TempDir() + "/nobody.conf")(t.Context()); err != nil {
		t.Error(err)
	}
}
