package haproxy

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// A checker that hangs is killed with what it has started; the live file stays, and later changes get through.
func TestCheckThatHangs(t *testing.T) {
	r := newRig(t)
	r.options.CheckTimeout = 300 * time.Millisecond
	before := readFile(t, r.config)
	hang := filepath.Join(t.TempDir(), "hang")
	writeFile(t, hang, "")
	r.conf.Check = lbsync.Command{"sh", "-c", "test ! -e " + hang + " || sleep 1000; exec \"$@\"", "sh", lbtest.Program(t, "haproxy"), "-c", "-f", "{file}"}
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	r.registry.Set(prefix, "fe1", one.Addr)
	r.start(t)
	lbtest.Eventually(t, 10*time.Second, "the check fails twice", func() bool { return r.failures(lbsync.StepCheck) >= 2 })
	if readFile(t, r.config) != before || !r.old(t) {
		t.Error("the live file was replaced")
	}
	if err := os.Remove(hang); err != nil {
		t.Fatal(err)
	}
	lbtest.Eventually(t, 10*time.Second, "one gets traffic", func() bool { return r.only(t, "one") })
}

// A candidate that HAProxy refuses, here from an operator's template, never gets into place.
func TestCandidateThatHAProxyRefuses(t *testing.T) {
	r := newRig(t)
	before := readFile(t, r.config)
	r.conf.Template = filepath.Join(t.TempDir(), "bad.tmpl")
	writeFile(t, r.conf.Template, "frontend x\n    bind {{.Bind}}\n    default_backend nobody\n"+
		"backend y\n{{range (index .Pools 0).Servers}}    server {{.Name}} {{.Address}}\n{{end}}")
	r.registry.Set(prefix, "fe1", "127.0.0.2:80")
	r.start(t)
	lbtest.Eventually(t, 10*time.Second, "the check fails twice", func() bool { return r.failures(lbsync.StepCheck) >= 2 })
	if readFile(t, r.config) != before || !r.old(t) {
		t.Error("the live file was replaced")
	}
	if !r.log.Has("change not applied", "step=check", "unable to find required default_backend") {
		t.Error("the log does not say what HAProxy says")
	}
}
