package lbsync_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// The places at which a process is killed.
const (
	inCheck  = "check"
	inReload = "reload"
)

// stuck is a balancer that tells its parent that it has come to a place, and stays there.
type stuck struct {
	*balancer
	place string
}

func (s stuck) CheckCandidate(ctx context.Context, path string) error {
	s.stay(inCheck)
	return s.balancer.CheckCandidate(ctx, path)
}

func (s stuck) Reload(ctx context.Context) (lbsync.Proof, error) {
	s.stay(inReload)
	return s.balancer.Reload(ctx)
}

func (s stuck) stay(place string) {
	if s.place == place {
		_, _ = io.WriteString(os.Stdout, "here\n") // The parent waits for it.
		select {}
	}
}

// TestCrashHelper is the process that is killed; by itself it does nothing.
func TestCrashHelper(t *testing.T) {
	path, place := os.Getenv("LBSYNC_TEST_FILE"), os.Getenv("LBSYNC_TEST_PLACE")
	if path == "" {
		return
	}
	var registry lbtest.Registry
	registry.Set("/a", "fe1", "10.0.1.1")
	s, err := lbsync.New(
		&lbsync.Config{Services: map[string]lbsync.Service{"a": {Prefix: "/a", Port: 80}}},
		lbsync.Options{Source: &registry, Targets: []lbsync.Target{{
			Config: path, Services: []string{"a"}, Driver: stuck{&balancer{path: path}, place},
		}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(s.Once(t.Context()))
}

// killAt runs the helper on a file until it is at a place, and kills it there.
func killAt(t *testing.T, path, place string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashHelper$")
	cmd.Env = append(os.Environ(), "LBSYNC_TEST_FILE="+path, "LBSYNC_TEST_PLACE="+place)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "here\n" {
		t.Errorf("the helper says %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // Killed, which is an error to Wait.
}

// Killed with a candidate beside it, the file is the old one; killed after the replacement, it is the new one, and
// the next process reloads, for nobody knows whether the balancer did. Half a candidate of an earlier crash does no harm.
func TestKilledAtAnyStep(t *testing.T) {
	for place, left := range map[string]string{inCheck: "old\n", inReload: "a: s_10.0.1.1_80\n"} {
		t.Run(place, func(t *testing.T) {
			r := newRig(t, "a")
			r.write(t, "old\n")
			half := filepath.Join(filepath.Dir(r.path), ".balancer.cfg.rollcall-new")
			if err := os.WriteFile(half, []byte("a: s_10"), 0o400); err != nil {
				t.Fatal(err)
			}
			killAt(t, r.path, place)
			if got := r.file(t); got != left {
				t.Fatalf("the file is %q", got)
			}
			r.registry.Set("/a", "fe1", "10.0.1.1")
			if err := r.once(t); err != nil {
				t.Fatal(err)
			}
			if r.now() != "a: s_10.0.1.1_80\n" || r.file(t) != r.now() || r.reloads() != 1 {
				t.Errorf("runs %q after %d reloads", r.now(), r.reloads())
			}
			if _, err := os.Stat(half); !os.IsNotExist(err) {
				t.Errorf("a candidate is left: %v", err)
			}
		})
	}
}
