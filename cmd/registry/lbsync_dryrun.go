package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"rollcall/lbsync"
)

// The colors of a diff, as terminals know them.
const (
	colorNone    = "\x1b[0m"
	colorHeading = "\x1b[1m"
	colorPlace   = "\x1b[36m"
	colorGone    = "\x1b[31m"
	colorNew     = "\x1b[32m"
)

// printDryRun prints what a round would do. What can be shown is shown, whatever went wrong beside it.
func printDryRun(ctx context.Context, w io.Writer, s *lbsync.Syncer, p previewPrinter) error {
	previews, err := s.DryRun(ctx)
	for _, preview := range previews {
		p.print(preview)
	}
	_, writeErr := io.WriteString(w, p.String())
	return errors.Join(err, writeErr)
}

// A previewPrinter turns previews into text for people, without any control character of a file or a balancer.
type previewPrinter struct {
	strings.Builder
	colored bool
}

// printer has the flags decide on the colors.
func (f *lbsyncFlags) printer(app *cli) previewPrinter {
	noColor, _ := app.lookup("NO_COLOR")
	return previewPrinter{colored: f.color == "always" || f.color == "auto" && noColor == "" && isTerminal(app.stdout)}
}

func (p *previewPrinter) print(v lbsync.Preview) {
	old := v.Config
	if v.Before == nil {
		old = "/dev/null"
	}
	diff := udiff.Unified(old, v.Config, string(v.Before), string(v.After))
	p.diff(diff)
	p.line(colorHeading, fmt.Sprintf("%s %s: %s", v.Kind, v.Config, fileVerdict(v, diff)))
	for _, line := range planLines(v) {
		p.line("", "  "+line)
	}
}

// diff colors the lines by how they begin; the first two are the names of the files.
func (p *previewPrinter) diff(text string) {
	n := 0
	for line := range strings.Lines(text) {
		color := ""
		switch {
		case n < 2:
			color = colorHeading
		case line[0] == '@':
			color = colorPlace
		case line[0] == '-':
			color = colorGone
		case line[0] == '+':
			color = colorNew
		}
		p.line(color, strings.TrimSuffix(line, "\n"))
		n++
	}
}

func (p *previewPrinter) line(color, text string) {
	text = visible(text)
	if p.colored && color != "" {
		text = color + text + colorNone
	}
	p.WriteString(text + "\n")
}

func fileVerdict(v lbsync.Preview, diff string) string {
	switch {
	case v.Before == nil:
		return "the file would be made"
	case diff == "":
		return "the file stays as it is"
	default:
		return "the file would be replaced"
	}
}

// planLines say what would be done to the running balancer.
func planLines(v lbsync.Preview) []string {
	var lines []string
	switch {
	case v.PlanErr != nil:
		return []string{"what the running balancer needs cannot be told: " + v.PlanErr.Error()}
	case !v.Plan.Running && v.Plan.Reload == "":
		return []string{"no running balancer answers, so it is not known what it runs"}
	case len(v.Plan.Commands) == 0 && v.Plan.Reload == "":
		return []string{"the running balancer needs nothing"}
	}
	for _, command := range v.Plan.Commands {
		lines = append(lines, "command: "+command)
	}
	if v.Plan.Reload != "" {
		lines = append(lines, "reload: "+v.Plan.Reload)
	}
	return lines
}

// visible writes what a terminal could take for a command, or would not show, as Go writes it in a string.
func visible(s string) string {
	var out strings.Builder
	for _, r := range s {
		if r == '\t' || strconv.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		out.WriteString(quoted[1 : len(quoted)-1])
	}
	return out.String()
}
