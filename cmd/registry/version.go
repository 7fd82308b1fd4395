package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release: -ldflags "-X main.version=v1.2.3". Empty, it comes from the build
// information that the Go tool writes.
var version string

// build says what this program was made from.
type build struct {
	Version  string `json:"version"`  // "devel" when nobody has named it
	Revision string `json:"revision"` // the commit; "" when built outside a checkout
	Modified bool   `json:"modified"` // built from a checkout with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	revision := b.Revision
	if revision == "" {
		revision = "unknown"
	}
	if b.Modified {
		revision += " with changes"
	}
	return fmt.Sprintf("registry %s\nrevision %s\n%s %s", b.Version, revision, b.Go, b.Platform)
}

func newVersionCommand(app *cli) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, revision and Go version",
		Args:  keyArgs(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return json.NewEncoder(app.stdout).Encode(app.build)
			}
			_, err := fmt.Fprintln(app.stdout, app.build)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
