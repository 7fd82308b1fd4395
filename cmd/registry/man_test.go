package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// eachCommand visits the commands that people see, with the words that call them. The root has none.
func eachCommand(visit func(words []string, cmd *cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		visit(strings.Fields(cmd.CommandPath())[1:], cmd)
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() && c.Name() != "help" {
				walk(c)
			}
		}
	}
	root := newRootCommand(&cli{})
	root.InitDefaultCompletionCmd()
	walk(root)
}

// writeManual returns a directory with the manual.
func writeManual(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if got := runCommand(t.Context(), testEnv([]string{"man", dir}, "SOURCE_DATE_EPOCH=86400")); got.code != 0 {
		t.Fatal(got.stderr)
	}
	return dir
}

// visibleFlags are those of a command and of the ones above it.
func visibleFlags(cmd *cobra.Command, visit func(*pflag.Flag)) {
	cmd.InitDefaultHelpFlag()
	cmd.InheritedFlags() // Adds the root's flags to the command's own, as parsing does.
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			visit(f)
		}
	})
}

// Every command has a page with each of its flags and what it means; there are no others, and the same source gives the
// same pages.
func TestManual(t *testing.T) {
	t.Parallel()
	dir, again := writeManual(t), writeManual(t)
	pages := 0
	eachCommand(func(words []string, cmd *cobra.Command) {
		pages++
		page := "man1/" + strings.Join(append([]string{"registry"}, words...), "-") + ".1"
		text := readFile(t, filepath.Join(dir, page))
		if !strings.Contains(text, `"Jan 1970"`) || text != readFile(t, filepath.Join(again, page)) {
			t.Errorf("%s is not reproducible:\n%.300s", page, text)
		}
		if !strings.Contains(text, " - "+cmd.Short+"\n") {
			t.Errorf("%s has another heading:\n%.300s", page, text)
		}
		visibleFlags(cmd, func(f *pflag.Flag) {
			_, meaning, found := strings.Cut(text, `\fB--`+f.Name+`\fP`)
			if !found || !strings.HasPrefix(meaning[strings.Index(meaning, "\n")+1:], "\t"+f.Usage+"\n") {
				t.Errorf("%s has not --%s with its meaning:\n%s", page, f.Name, text)
			}
		})
	})
	if files, err := os.ReadDir(filepath.Join(dir, "man1")); err != nil || len(files) != pages {
		t.Errorf("%d pages for %d commands: %v", len(files), pages, err)
	}
}

// The completions of the packages are those that the program makes, and these offer each flag and each subcommand.
func TestCompletions(t *testing.T) {
	t.Parallel()
	dir := writeManual(t)
	for shell, name := range map[string]string{"bash": "registry.bash", "zsh": "_registry", "fish": "registry.fish"} {
		got := runCommand(t.Context(), testEnv([]string{"completion", shell}))
		if text := readFile(t, filepath.Join(dir, "completions", name)); got.code != 0 || got.stdout == "" || got.stdout != text {
			t.Errorf("%s differs from what \"registry completion %s\" prints: %s", name, shell, got.stderr)
		}
	}
	eachCommand(func(words []string, cmd *cobra.Command) {
		offered := func(word string) string {
			args := append(append([]string{"__complete"}, words...), word)
			return "\n" + runCommand(t.Context(), testEnv(args)).stdout
		}
		flags := offered("--")
		visibleFlags(cmd, func(f *pflag.Flag) {
			if !strings.Contains(flags, "\n--"+f.Name+"\t") && !strings.Contains(flags, "\n--"+f.Name+"=\t") {
				t.Errorf("%q: --%s is not offered:%s", words, f.Name, flags)
			}
		})
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() && !strings.Contains(offered(""), "\n"+c.Name()+"\t") {
				t.Errorf("%q: %s is not offered", words, c.Name())
			}
		}
	})
}
