package haproxy

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// The runtime socket is of no use: changes come by reloads, no request fails, and after the repair they come by commands
// again.
func TestFaultSocket(t *testing.T) {
	t.Parallel()
	r := newFaultRig(t)
	r.register("one", "two")
	r.start(t)
	r.converged(t, "one", "two")
	for _, tt := range []struct {
		name  string
		fault lbtest.SocketFault
	}{
		{"missing", lbtest.Missing},
		{"refuses", lbtest.Refuses},
		{"garbage", lbtest.Garbage},
		{"half", lbtest.Half},
		{"hangs", lbtest.Hangs},
	} {
		t.Run(tt.name, func(t *testing.T) {
			visits := lbtest.StartVisits(t, r.port)
			r.relay.Set(t, tt.fault)
			r.register("three")
			r.registry.Delete(prefix, "two")
			r.serves(t, "one", "three")
			r.wantChecked(t)
			lbtest.Eventually(t, patience, "the fault is told", func() bool {
				return r.syncer.Status().Targets[0].Step == lbsync.StepRuntime
			})
			r.relay.Set(t, lbtest.NoFault)
			r.converged(t, "one", "three")
			reloads := r.reloads(t)
			r.registry.Delete(prefix, "three")
			r.register("two")
			r.converged(t, "one", "two")
			if n := r.reloads(t) - reloads; n != 0 {
				t.Errorf("%d reloads after the repair", n)
			}
			visits.Check(t)
		})
	}
}

// The file passes the check, and HAProxy cannot bind: the old worker goes on and follows changes by commands, and the new
// file is loaded as soon as the address is free. While HAProxy tries to bind, for 2 s each time, it has its own old worker
// refuse connections, so nothing is said here about requests that fail.
func TestFaultBind(t *testing.T) {
	t.Parallel()
	r := newFaultRig(t)
	r.register("one", "two")
	stop := r.start(t)
	r.converged(t, "one", "two")
	good := readFile(t, r.config)
	stop()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := listener.Addr().String()
	r.conf.Bind = taken
	r.start(t)
	lbtest.Eventually(t, patience, "the reload fails", func() bool { return r.failures(lbsync.StepReload) >= 1 })
	r.register("three")
	r.registry.Delete(prefix, "two")
	r.serves(t, "one", "three")
	lbtest.Eventually(t, patience, "the good file is back", func() bool { return readFile(t, r.config) == good })
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, r.port, _ = net.SplitHostPort(taken)
	r.converged(t, "one", "three")
}

// A template that drops the servers is refused before anything is touched; one that is empty too.
func TestFaultTemplate(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"blank":      "\n\n",
		"no servers": "global\n    set-var proc.rollcall_gen str({{.Generation}})\ndefaults\n    mode http\n{{range .Pools}}backend {{.Name}}\n{{end}}",
		"no values":  "{{if false}}{{.Generation}}{{end}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.tmpl")
			writeFile(t, path, text)
			if _, err := NewTarget(lbsync.HAProxy{Config: "x", Services: []string{"frontends"}, Template: path}, Options{}); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// HAProxy dies as a whole, or a worker of it, which ends the master as well; whoever looks after it starts it with the file
// in place. lbsync finds what differs.
func TestFaultDeath(t *testing.T) {
	t.Parallel()
	r := newFaultRig(t)
	r.register("one", "two")
	r.start(t)
	r.converged(t, "one", "two")
	for _, who := range []string{"worker", "master"} {
		p, err := askMaster(t.Context(), r.master())
		if err != nil {
			t.Fatal(err)
		}
		if who == "master" {
			kill(t, r.pid)
		}
		kill(t, p.workers[0].pid)
		lbtest.Eventually(t, patience, "HAProxy is gone", func() bool {
			_, trouble := lbtest.Get(t.Context(), r.port)
			_, err := askMaster(t.Context(), r.master())
			return trouble != "" && err != nil
		})
		// Meanwhile the world goes on.
		r.register("three")
		r.registry.Delete(prefix, "two")
		r.launch(t)
		began := time.Now()
		r.converged(t, "one", "three")
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("after the death of a %s, reconciled after %v", who, took)
		}
		r.register("two")
		r.registry.Delete(prefix, "three")
		r.converged(t, "one", "two")
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
