package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// writeConfig returns the path of a configuration file.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registry.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serveFlags visits the flags of serve that a file may hold.
func serveFlags(visit func(*cobra.Command, *pflag.Flag)) {
	eachFlag("serve", func(cmd *cobra.Command, f *pflag.Flag) {
		if !slices.Contains(notInFile, f.Name) {
			visit(cmd, f)
		}
	})
}

// Each flag of serve can be in the file, also those to come; and what is set already stays.
func TestEveryFlagFromTheFile(t *testing.T) {
	t.Parallel()
	serveFlags(func(cmd *cobra.Command, f *pflag.Flag) {
		text := []byte(yamlKey(f.Name) + ": " + valuesOf[f.Value.Type()] + "\n")
		places, err := flagsFromFile(cmd, "x.yaml", text)
		if err != nil || !f.Changed || places[f.Name] != "x.yaml:1:1" {
			t.Errorf("%s: changed %v, places %v, %v", text, f.Changed, places, err)
		}
		want := f.Value.String()
		if f.Value.Type() == "bool" {
			text = []byte(yamlKey(f.Name) + ": false\n")
		} else {
			text = []byte(yamlKey(f.Name) + ": 3\n")
		}
		if _, err := flagsFromFile(cmd, "x.yaml", text); err != nil || f.Value.String() != want {
			t.Errorf("--%s: a flag that is set has become %s: %v", f.Name, f.Value, err)
		}
	})
}

func TestFileFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key":    {"name: a\nport: 4001\n", `f.yaml:2:1: unknown key "port"; docs/configuration.md and "registry config" have all`},
		"spelt as flag":  {"data-dir: x\n", `f.yaml:1:1: unknown key "data-dir"; did you mean data_dir?`},
		"number":         {"max_body: big\n", "f.yaml:1:11: max_body: must be a whole number"},
		"real number":    {"max_rate: [7]\n", "f.yaml:1:11: max_rate: must be a number"},
		"bool":           {"renewal_events: 2\n", "f.yaml:1:17: renewal_events: must be true or false"},
		"no value":       {"listen:\n", "f.yaml:1:9: listen: must be one value"},
		"list":           {"listen: [a]\n", "f.yaml:1:9: listen: must be one value"},
		"mapping":        {"name:\n  a: b\n", "f.yaml:2:4: name: must be one value"},
		"list of lists":  {"join: [[a]]\n", "f.yaml:1:8: join: must be a list"},
		"for one run":    {"resync: true\n", `f.yaml:1:1: "resync" is for the command line, not for a file`},
		"itself":         {"config: x\n", `f.yaml:1:1: "config" is for the command line, not for a file`},
		"repeated":       {"name: a\nname: b\n", `f.yaml:2:1: mapping key "name" already defined at [1:1]`},
		"two documents":  {"name: a\n---\nname: b\n", "f.yaml:3:5: more than one YAML document"},
		"no mapping":     {"- a\n", "f.yaml:1:1: the file must hold settings, such as listen: 0.0.0.0:4001"},
		"syntax":         {"name: \"a\n", "f.yaml:1:7: could not find end character of double-quoted text"},
		"all of them":    {"a: 1\nmax_key: x\n", "f.yaml:1:1: unknown key \"a\"; docs/configuration.md and \"registry config\" have all\nf.yaml:2:10: max_key: must be a whole number"},
		"nothing":        {"", ""},
		"only a comment": {"# listen: x\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := newServeCommand(&cli{})
			_, err := flagsFromFile(cmd, "f.yaml", []byte(tt.text))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A wrong value is wrong today, and not on the day when the flag is left out.
func TestFileFaultsBelowFlags(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"max_depth: x\n":      "f.yaml:1:12: max_depth: must be a whole number",
		"join: {a: 1}\n":      "f.yaml:1:7: join: must be a list",
		"log_levels: debug\n": `f.yaml:1:1: unknown key "log_levels"; docs/configuration.md and "registry config" have all`,
	} {
		cmd := newServeCommand(&cli{})
		if err := cmd.ParseFlags([]string{"--max-depth=7", "--join=a:1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := flagsFromFile(cmd, "f.yaml", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What YAML has beyond plain values is refused, and nothing of it makes the reader panic.
func TestFileOddities(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"name: &x a\ncluster: *x\n", "<<: {name: a}\n", "? [name]\n: a\n", "name: !!str a\n", "? name\n", "*x : a\n", "&x\n",
		"name: |\n", "{name, listen}\n", "join: [a, ~]\n", "max_rate: .nan\n", "max_rate: .inf\n", "---\n...\n%\n", "\x00", "a", "- ", ": a",
	} {
		_, err := flagsFromFile(newServeCommand(&cli{}), "f.yaml", []byte(text))
		if err != nil && !strings.HasPrefix(err.Error(), "f.yaml") {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && text != "name: |\n" {
			t.Errorf("%q is taken", text)
		}
	}
}

// What config prints is a file with the same settings.
func TestConfigIsAFile(t *testing.T) {
	t.Parallel()
	vars := []string{"ROLLCALL_JOIN=a:1,[2001:db8::1]:2", "ROLLCALL_NAME=null", "ROLLCALL_CLUSTER=# a: \"b\"", "ROLLCALL_DATA_DIR=/v/x"}
	first := runCommand(t.Context(), testEnv([]string{"config", "--max-rate", "0.5", "--renewal-events"}, vars...))
	second := runCommand(t.Context(), testEnv([]string{"config", "--config", writeConfig(t, first.stdout)}))
	if first.code != 0 || second.code != 0 {
		t.Fatalf("codes %d and %d: %s%s", first.code, second.code, first.stderr, second.stderr)
	}
	if diff := cmp.Diff(withoutOrigins(first.stdout), withoutOrigins(second.stdout)); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(first.stdout, `name: "null"`) || !strings.Contains(first.stdout, `join: [a:1, "[2001:db8::1]:2"]`) {
		t.Error(first.stdout)
	}
}

func withoutOrigins(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line[:strings.LastIndex(line, "# ")]))
	}
	return lines
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]bool{
		"token": true, "admin-token": true, "tls-key": false, "password": true, "gossip-key-file": false, "max-key": false, "listen": false,
	} {
		if got := isSecret(flag); got != want {
			t.Errorf("isSecret(%q) is %v", flag, got)
		}
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.String("api-token", "", "")
	flags.StringSlice("advertise", nil, "")
	if err := flags.Parse([]string{"--api-token=hush", "--advertise=http://user:hush@host:1"}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := printConfig(&out, flags, origins{"api-token": {fromFlag, "--api-token"}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hush") || !strings.Contains(out.String(), "# api_token: (not shown)") || !strings.Contains(out.String(), "user:xxxxx@host") {
		t.Error(out.String())
	}
}
