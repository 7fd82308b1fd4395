package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configReference is the document whose tables are made from the flags.
const configReference = "../../docs/configuration.md"

// The reference in the documents is that of the flags. With UPDATE_DOCS set it is written anew.
func TestConfigurationReference(t *testing.T) {
	text, err := os.ReadFile(configReference)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for _, name := range []string{"serve", "lbsync"} {
		want = replaceTable(t, want, name, flagTable(name))
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(configReference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, string(text)); diff != "" && os.Getenv("UPDATE_DOCS") == "" {
		t.Errorf("please run: UPDATE_DOCS=1 go test -run TestConfigurationReference ./cmd/registry\n%s", diff)
	}
}

// replaceTable puts a table between its two marks.
func replaceTable(t *testing.T, text, name, table string) string {
	t.Helper()
	begin, end := "<!-- flags of "+name+" -->\n", "<!-- end -->"
	head, rest, found := strings.Cut(text, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no table after %q", configReference, begin)
	}
	return head + begin + table + end + tail
}

// flagTable has a line for each flag of a command.
func flagTable(command string) string {
	var table strings.Builder
	inFile := command == "serve"
	if inFile {
		table.WriteString("| flag | environment | YAML key | default | meaning |\n|---|---|---|---|---|\n")
	} else {
		table.WriteString("| flag | environment | default | meaning |\n|---|---|---|---|\n")
	}
	eachFlag(command, func(_ *cobra.Command, f *pflag.Flag) {
		fmt.Fprintf(&table, "| `--%s` | `%s` |", f.Name, envName(f.Name))
		if inFile {
			fmt.Fprintf(&table, " %s |", keyCell(f.Name))
		}
		meaning, value := meaningOf(f)
		fmt.Fprintf(&table, " %s | %s |\n", value, strings.ReplaceAll(meaning, "|", `\|`))
	})
	return table.String()
}

func keyCell(flag string) string {
	if slices.Contains(notInFile, flag) {
		return "not in the file"
	}
	return "`" + yamlKey(flag) + "`"
}

// usageDefault is a default that the usage tells in words.
var usageDefault = regexp.MustCompile(`^(.*) \(default ([^()]*)\)$`)

// meaningOf takes the usage of a flag and its default apart.
func meaningOf(f *pflag.Flag) (meaning, value string) {
	if parts := usageDefault.FindStringSubmatch(f.Usage); parts != nil {
		return parts[1], parts[2]
	}
	if f.DefValue == "" || f.DefValue == "[]" {
		return f.Usage, "none"
	}
	return f.Usage, "`" + f.DefValue + "`"
}
