package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// logFlags say what is logged and how.
type logFlags struct {
	level  string // debug, info, warn or error
	format string // text, json, or auto: text on a terminal and JSON elsewhere
}

func (f *logFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.level, "log-level", "info", "least level to log: debug, info, warn or error")
	flags.StringVar(&f.format, "log-format", "auto", "text, json, or auto: text on a terminal, JSON elsewhere")
}

// logger returns a logger that writes to w.
func (f *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: must be debug, info, warn or error", f.level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch format := f.format; {
	case format == "text", format == "auto" && isTerminal(w):
		return slog.New(slog.NewTextHandler(w, options)), nil
	case format == "json", format == "auto":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format %q: must be text, json or auto", f.format)
}

// isTerminal tells whether a stream of the environment ends at a person.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
