package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// A report is what the run found, in the order in which it was found.
type report struct {
	facts   []string
	figures []figure
	tables  []table
}

// A target is what a figure should not exceed. nil asks for nothing.
type target *float64

func atMost(bound float64) target { return &bound }

// verdict says whether the figure reaches the target; it says nothing when there is none.
func verdict(t target, v float64) string {
	switch {
	case t == nil:
		return ""
	case v <= *t:
		return "met"
	default:
		return "missed"
	}
}

// A figure is one thing that was measured.
type figure struct {
	work   string
	of     string // the balancer, or whose it is
	what   string // with its unit
	target target
	found  float64
}

func (r *report) add(figures ...figure) { r.figures = append(r.figures, figures...) }

// A table holds details, for those who want to know more than the figures.
type table struct {
	title string
	head  []string
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	var out strings.Builder
	for _, fact := range r.facts {
		fmt.Fprintf(&out, "- %s\n", fact)
	}
	all := table{head: []string{"work", "of", "figure", "target", "found", "verdict"}}
	for _, f := range r.figures {
		bound := ""
		if f.target != nil {
			bound = "≤ " + number(*f.target)
		}
		all.add(f.work, f.of, f.what, bound, number(f.found), verdict(f.target, f.found))
	}
	all.write(&out)
	for _, t := range r.tables {
		t.write(&out)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// number prints a figure with about three digits.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func (t *table) write(out *strings.Builder) {
	if len(t.rows) == 0 {
		return
	}
	out.WriteString("\n")
	if t.title != "" {
		fmt.Fprintf(out, "%s:\n\n", t.title)
	}
	writeCells(out, t.head)
	writeCells(out, slices.Repeat([]string{"---"}, len(t.head)))
	for _, row := range t.rows {
		writeCells(out, row)
	}
}

func writeCells(out *strings.Builder, cells []string) {
	fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

// percentile is the smallest time that this share of all, in percent, does not exceed, in milliseconds; NaN of none.
func percentile(all []time.Duration, share float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	at := int(math.Ceil(share/100*float64(len(sorted)))) - 1
	return milliseconds(sorted[max(at, 0)])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
