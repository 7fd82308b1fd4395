package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newManCommand(app *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write manual pages and shell completions into a directory",
		Long: `Write the manual pages of all commands into DIR/man1, and the completions for bash, zsh
and fish into DIR/completions. The packages have them in place.`,
		Hidden: true, // It is for those who make packages.
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{cmd: cmd, err: errors.New("directory required")}
			}
			return keyArgs(1, 1)(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error { return app.writeManual(args[0]) },
	}
}

func (app *cli) writeManual(dir string) error {
	pages, completions := filepath.Join(dir, "man1"), filepath.Join(dir, "completions")
	for _, d := range []string{pages, completions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	root := newRootCommand(app)
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	date := app.sourceDate()
	header := &doc.GenManHeader{Section: "1", Source: "Rollcall", Manual: "Rollcall", Date: &date}
	if err := doc.GenManTree(root, header, pages); err != nil {
		return fmt.Errorf("manual: %w", err)
	}
	if err := root.GenBashCompletionFileV2(filepath.Join(completions, "registry.bash"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(completions, "_registry")); err != nil {
		return err
	}
	return root.GenFishCompletionFile(filepath.Join(completions, "registry.fish"), true)
}

// sourceDate is the date of the pages: that of the source where a package is made from it, so that the same source gives
// the same pages.
func (app *cli) sourceDate() time.Time {
	text, _ := app.lookup("SOURCE_DATE_EPOCH")
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC()
	}
	return time.Now().UTC()
}
