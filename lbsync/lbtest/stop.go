package lbtest

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"rollcall/lbsync"
)

// A Place is a moment of a round.
type Place string

// The places of a round that reloads, in their order. One that does not reload has no BeforeReload and AfterReload.
const (
	BeforeLive   Place = "before live"
	AfterLive    Place = "after live"
	AfterStage   Place = "after stage"
	AfterCheck   Place = "after check"
	AfterRename  Place = "after rename"
	BeforeReload Place = "before reload"
	AfterReload  Place = "after reload"
	BeforeSave   Place = "before save"
)

// Places are all of them.
func Places() []Place {
	return []Place{BeforeLive, AfterLive, AfterStage, AfterCheck, AfterRename, BeforeReload, AfterReload, BeforeSave}
}

const here = "here\n"

// StopAt wraps a driver: the process says that it has come to the place, and stays there until it is killed.
func StopAt(d lbsync.Driver, place Place) lbsync.Driver { return &stopper{Driver: d, place: place} }

type stopper struct {
	lbsync.Driver
	place  Place
	loaded bool
}

func (s *stopper) stay(place Place) {
	if s.place == place {
		_, _ = io.WriteString(os.Stdout, here) // The parent waits for it.
		select {}
	}
}

func (s *stopper) Live(ctx context.Context, file []byte) (lbsync.Live, error) {
	s.stay(BeforeLive)
	live, err := s.Driver.Live(ctx, file)
	s.stay(AfterLive)
	if s.loaded {
		s.stay(BeforeSave) // This was the look after the reload.
	}
	return live, err
}

func (s *stopper) CheckCandidate(ctx context.Context, path string) error {
	s.stay(AfterStage)
	err := s.Driver.CheckCandidate(ctx, path)
	s.stay(AfterCheck)
	return err
}

func (s *stopper) CheckLive(ctx context.Context) error {
	s.stay(AfterRename)
	return s.Driver.CheckLive(ctx)
}

func (s *stopper) Reload(ctx context.Context) (lbsync.Proof, error) {
	s.stay(BeforeReload)
	proof, err := s.Driver.Reload(ctx)
	s.stay(AfterReload)
	s.loaded = true
	return proof, err
}

// A Helper is a test of this test program that runs as a process of its own, which can be killed.
type Helper struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// StartHelper starts the test of that name with variables of the form NAME=VALUE.
func StartHelper(t *testing.T, name string, variables ...string) *Helper {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$") //nolint:gosec // It is this very program.
	cmd.Env = slices.Concat(os.Environ(), variables)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &Helper{cmd: cmd, out: bufio.NewReader(out)}
}

// AwaitPlace waits until the helper has come to its place.
func (h *Helper) AwaitPlace(t *testing.T) {
	t.Helper()
	if line, err := h.out.ReadString('\n'); err != nil || line != here {
		rest, _ := io.ReadAll(h.out)
		t.Errorf("the helper says %q, %v\n%s", line, err, rest)
	}
}

// Kill ends the helper at once, with nothing cleaned up.
func (h *Helper) Kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = h.cmd.Wait() // Killed, which is an error to Wait.
}
