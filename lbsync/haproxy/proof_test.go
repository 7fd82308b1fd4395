package haproxy

import "testing"

func TestConcerns(t *testing.T) {
	const config = "/etc/haproxy/haproxy.cfg"
	for title, want := range map[string]bool{
		"haproxy -W -f /etc/haproxy/haproxy.cfg -p /run/h.pid": true,
		"/usr/sbin/haproxy -Ws -f /etc/haproxy/ -sf 12":        true,
		"haproxy -f /etc/haproxy":                              true,
		"haproxy -f /etc/other.cfg":                            false,
		"haproxy -c -f /etc/haproxy/.haproxy.cfg.rollcall-new": false,
		"haproxy": false,
	} {
		if got := concerns(title, config); got != want {
			t.Errorf("%q: %v", title, got)
		}
	}
}

func TestNothingToSeeIsNoFailure(t *testing.T) {
	if err := newWorker(t.TempDir() + "/nobody.cfg")(t.Context()); err != nil {
		t.Error(err)
	}
}
