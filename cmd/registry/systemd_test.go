package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rollcall/lbsync/lbtest"
)

const (
	lbsyncUnit    = "../../docs/systemd/rollcall-lbsync.service"
	nodeUnit      = "../../docs/systemd/rollcall-registry.service"
	hostUnit      = "../../docs/systemd/rollcall-host.service"
	nodeSettings  = "../../docs/systemd/registry.yaml"
	unitsProgram  = "/usr/bin/registry"
	lbsyncExample = "../../docs/examples/lbsync.yaml"
)

// units are those of this repository, with what systemd-analyze may find at most: ten times the exposure, from 0 to 100.
var units = map[string]string{lbsyncUnit: "28", nodeUnit: "13", hostUnit: "13"}

// unitSettings returns the values of a setting in a unit.
func unitSettings(t *testing.T, path, name string) []string {
	t.Helper()
	var values []string
	for line := range strings.Lines(readFile(t, path)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The units call the command with flags that it has, and are told by it how it fares.
func TestUnitsFitTheCommand(t *testing.T) {
	for _, unit := range []string{lbsyncUnit, nodeUnit} {
		start := unitSettings(t, unit, "ExecStart")
		if len(start) != 1 {
			t.Fatalf("ExecStart: %q", start)
		}
		wantCommand(t, start[0])
		for _, line := range unitSettings(t, unit, "ExecReload") {
			if strings.HasPrefix(line, unitsProgram) {
				wantCommand(t, line)
			}
		}
		for name, want := range map[string]string{"Type": "^notify$", "WatchdogSec": "^[1-9][0-9]*(s|min)$", "Restart": "^always$"} {
			if got := unitSettings(t, unit, name); len(got) != 1 || !regexp.MustCompile(want).MatchString(got[0]) {
				t.Errorf("%s: %s is %q", unit, name, got)
			}
		}
	}
}

// wantCommand wants a line to call a service of this program with flags that it has.
func wantCommand(t *testing.T, line string) {
	t.Helper()
	args := strings.Fields(line)
	cmd, rest, err := newRootCommand(&cli{}).Find(args[1:])
	if err != nil || cmd.Name() != "lbsync" && cmd.Name() != "serve" || args[0] != unitsProgram {
		t.Fatalf("%q: %v", line, err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Error(err)
	}
	if got := cmd.Flags().Args(); len(got) != 0 {
		t.Errorf("arguments %q", got)
	}
}

// Before lbsync is told to read its file again, and before a package restarts a service, the settings that it runs with
// are checked.
func TestSettingsAreCheckedFirst(t *testing.T) {
	starts := map[string]string{}
	for unit := range units {
		starts[unit] = unitSettings(t, unit, "ExecStart")[0]
	}
	want := func(unit, line string) {
		wantCommand(t, line)
		if got := strings.Replace(line, " --check-config", "", 1) + " --log-format=json"; got == line || got != starts[unit] {
			t.Errorf("%s is checked by %q", starts[unit], line)
		}
	}
	reload := unitSettings(t, lbsyncUnit, "ExecReload")
	if len(reload) != 2 || reload[1] != "/bin/sh -c 'kill -HUP $MAINPID'" {
		t.Fatalf("ExecReload: %q", reload)
	}
	want(lbsyncUnit, reload[0])
	checks := regexp.MustCompile(`(?m)^\s*(`+unitsProgram+` .*)$`).FindAllStringSubmatch(readFile(t, "../../.ci/package/postinst"), -1)
	if len(checks) != 2 {
		t.Fatalf("postinst checks %q", checks)
	}
	want(nodeUnit, checks[0][1])
	want(lbsyncUnit, checks[1][1])
}

// What the units keep is where the settings that come with them say.
func TestUnitsKeepTheState(t *testing.T) {
	for unit, file := range map[string]string{lbsyncUnit: lbsyncExample, nodeUnit: nodeSettings} {
		key := map[string]string{lbsyncUnit: "state_dir", nodeUnit: "data_dir"}[unit]
		state := unitSettings(t, unit, "StateDirectory")
		if len(state) != 1 || !strings.Contains(readFile(t, file), "\n"+key+": /var/lib/"+state[0]+"\n") {
			t.Errorf("%s: StateDirectory is %q", unit, state)
		}
	}
}

// The settings that come with the package are good, also those that are commented out.
func TestPackagedSettings(t *testing.T) {
	text := readFile(t, nodeSettings)
	all := strings.Replace(text, "\nlisten: 127.0.0.1:4001\n", "\n", 1)
	all = regexp.MustCompile(`(?m)^# (listen|advertise|name|gossip_listen|join):`).ReplaceAllString(all, "$1:")
	for _, text := range []string{text, all} {
		got := runCommand(t.Context(), testEnv([]string{"serve", "--check-config", "--config", writeConfig(t, text)}))
		if got.code != 0 {
			t.Errorf("%s\n%s", got.stderr, text)
		}
	}
	if !strings.Contains(all, "\njoin: [") || !strings.Contains(all, "\nlisten: 0.0.0.0:4001") {
		t.Errorf("the settings are not those of this test:\n%s", all)
	}
}

// copyUnit returns a copy of a unit that calls this program: that of the unit may not be installed.
func copyUnit(t *testing.T, path string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(readFile(t, path), unitsProgram, program)), 0o600); err != nil {
		t.Fatal(err)
	}
	return unit
}

// systemd finds nothing to say about the units.
func TestUnitsAreValid(t *testing.T) {
	analyze := lbtest.Program(t, "systemd-analyze")
	for path := range units {
		unit := copyUnit(t, path)
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput()
		if err != nil || strings.Contains(string(out), filepath.Base(unit)) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// The services are allowed little more than they need.
func TestUnitsAreHardened(t *testing.T) {
	analyze := lbtest.Program(t, "systemd-analyze")
	for path, most := range units {
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--no-pager", "--threshold="+most, copyUnit(t, path)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: more exposed than %s: %v\n%s", path, most, err, out)
		}
	}
}
