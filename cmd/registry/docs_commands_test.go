package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	// shellBlock is a block of commands in a document, and codeSpan one in a line.
	shellBlock = regexp.MustCompile("(?ms)^```sh$(.*?)^```$")
	codeSpan   = regexp.MustCompile("`(registry [^`]+)`")
	// registryCommand is a call of the program, where a command can stand, up to where the shell has something else to do.
	registryCommand = regexp.MustCompile(`(?m)(?:^|[|;&(]|\b(?:while|do|time) )[ \t]*(?:[A-Z_]+=\S+ +)*(?:[\w./-]*/)?registry ([a-z][^|;&<>)\n]*)`)
	longFlag        = regexp.MustCompile(`^--([a-z][a-z-]*)(=.*)?$`)
)

// commandsIn returns the calls of the program in a document, each as its words after its name.
func commandsIn(text string) (calls [][]string) {
	var code []string
	for _, b := range shellBlock.FindAllStringSubmatch(text, -1) {
		code = append(code, strings.ReplaceAll(b[1], "\\\n", " "))
	}
	for _, s := range codeSpan.FindAllStringSubmatch(text, -1) {
		code = append(code, s[1])
	}
	for _, c := range code {
		for _, call := range registryCommand.FindAllStringSubmatch(c, -1) {
			calls = append(calls, strings.Fields(call[1]))
		}
	}
	return calls
}

// checkCall returns what is wrong with a call: no such subcommand, no such flag.
func checkCall(root *cobra.Command, words []string) (faults []string) {
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		return []string{"there is no command " + words[0]}
	}
	for _, word := range rest {
		flag := longFlag.FindStringSubmatch(strings.TrimRight(word, ".,:"))
		if flag != nil && cmd.Flag(flag[1]) == nil && cmd.InheritedFlags().Lookup(flag[1]) == nil && flag[1] != "help" {
			faults = append(faults, cmd.CommandPath()+" has no flag --"+flag[1])
		}
	}
	return faults
}

func TestCheckCall(t *testing.T) {
	t.Parallel()
	root := newRootCommand(&cli{})
	text := "```sh\nbin/registry ls -r --sort / \\\n    --bogus=1 | registry sett /a; X=1 bin/registry set --ttl 5 /a --log-level debug >x --no\nhelm install registry no/command --no\n```\nand `registry lbsync explain --nope HOST`, not registry or `the registry here`"
	var faults []string
	for _, words := range commandsIn(text) {
		faults = append(faults, checkCall(root, words)...)
	}
	want := "registry ls has no flag --bogus, there is no command sett, registry lbsync explain has no flag --nope"
	if got := strings.Join(faults, ", "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The documents name only commands, flags and variables that there are.
func TestDocumentsNameRealCommands(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	root := newRootCommand(&cli{})
	known := map[string]bool{}
	eachCommand(func(_ []string, c *cobra.Command) {
		for _, flags := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
			flags.VisitAll(func(f *pflag.Flag) { known[envName(f.Name)] = true })
		}
	})
	calls := 0
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range commandsIn(string(text)) {
			calls++
			for _, fault := range checkCall(root, words) {
				t.Errorf("%s: %s: in %q", path, fault, strings.Join(words, " "))
			}
		}
		for _, name := range regexp.MustCompile(`\bROLLCALL_[A-Z_]*[A-Z]\b`).FindAllString(string(text), -1) {
			if !known[name] {
				t.Errorf("%s: no flag is set by %s", path, name)
			}
		}
	}
	if calls < 100 {
		t.Errorf("only %d calls found", calls)
	}
}
