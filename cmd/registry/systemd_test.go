package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/lbsync/lbtest"
)

const lbsyncUnit = "../../docs/systemd/rollcall-lbsync.service"

// unitSettings returns the values of a setting in a unit.
func unitSettings(t *testing.T, path, name string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// The unit calls the command with flags that it has, and keeps the state where the example does.
func TestUnitFitsTheCommand(t *testing.T) {
	start := unitSettings(t, lbsyncUnit, "ExecStart")
	if len(start) != 1 {
		t.Fatalf("ExecStart: %q", start)
	}
	args := strings.Fields(start[0])
	cmd, rest, err := newRootCommand(&cli{}).Find(args[1:])
	if err != nil || cmd.Name() != "lbsync" {
		t.Fatalf("%q: %v", start, err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Error(err)
	}
	if got := cmd.Flags().Args(); len(got) != 0 {
		t.Errorf("arguments %q", got)
	}
	example, err := os.ReadFile("../../docs/examples/lbsync.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if state := unitSettings(t, lbsyncUnit, "StateDirectory"); len(state) != 1 || !strings.Contains(string(example), "state_dir: /var/lib/"+state[0]+"\n") {
		t.Errorf("StateDirectory: %q", state)
	}
}

// systemd finds nothing to say about the unit.
func TestUnitIsValid(t *testing.T) {
	analyze := lbtest.Program(t, "systemd-analyze")
	text, err := os.ReadFile(lbsyncUnit)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable() // The unit's may not be installed.
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), filepath.Base(lbsyncUnit))
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/registry", program)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), filepath.Base(unit)) {
		t.Errorf("%v\n%s", err, out)
	}
}
