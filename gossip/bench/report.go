package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A report is what the run found, in the order in which it was found.
type report struct {
	facts   []string
	figures []figure
	tables  []table
}

// A target is what a figure should reach. The zero value asks for nothing.
type target struct {
	bound   float64
	atLeast bool // or else at most
}

func atLeast(bound float64) target { return target{bound, true} }
func atMost(bound float64) target  { return target{bound, false} }

func (t target) String() string {
	switch {
	case t == target{}:
		return ""
	case t.atLeast:
		return "≥ " + number(t.bound)
	default:
		return "≤ " + number(t.bound)
	}
}

// verdict says whether the figure reaches the target; it says nothing when there is none.
func (t target) verdict(v float64) string {
	switch {
	case t == target{}:
		return ""
	case t.atLeast && v >= t.bound, !t.atLeast && v <= t.bound:
		return "met"
	default:
		return "missed"
	}
}

// A figure is one thing that was measured once per round, of the registry and perhaps of etcd.
type figure struct {
	work   string
	what   string // with its unit
	target target // for the median of ours
	ours   []float64
	etcd   []float64
}

func (r *report) add(figures ...figure) { r.figures = append(r.figures, figures...) }

// A table holds details, for those who want to know more than the figures.
type table struct {
	title string
	head  []string
	rows  [][]string
}

// add appends a row: a name, then figures.
func (t *table) add(name string, figures ...float64) {
	row := []string{name}
	for _, f := range figures {
		row = append(row, number(f))
	}
	t.rows = append(t.rows, row)
}

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	var out strings.Builder
	for _, fact := range r.facts {
		fmt.Fprintf(&out, "- %s\n", fact)
	}
	all := table{head: []string{"work", "figure", "target", "registry", "min–max", "verdict", "etcd", "min–max"}}
	for _, f := range r.figures {
		cells := []string{f.work, f.what, f.target.String()}
		cells = append(cells, middle(f.ours)...)
		cells = append(cells, f.target.verdict(median(f.ours)))
		all.rows = append(all.rows, append(cells, middle(f.etcd)...))
	}
	all.write(&out)
	for _, t := range r.tables {
		t.write(&out)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// middle is the median, and the smallest and the largest figure; two empty cells for none.
func middle(figures []float64) []string {
	if len(figures) == 0 {
		return []string{"", ""}
	}
	return []string{number(median(figures)), number(slices.Min(figures)) + "–" + number(slices.Max(figures))}
}

// number prints a figure with about three digits.
func number(v float64) string {
	switch {
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

// series takes one figure out of each of some results.
func series[T any](results []T, figure func(T) float64) []float64 {
	figures := make([]float64, 0, len(results))
	for _, r := range results {
		figures = append(figures, figure(r))
	}
	return figures
}

// ratios divides round by round. Both series have one figure per round.
func ratios(ours, theirs []float64) []float64 {
	quotients := make([]float64, len(ours))
	for i := range ours {
		quotients[i] = ours[i] / theirs[i]
	}
	return quotients
}

// median is the middle of the figures, or the mean of the two in the middle; there must be at least one.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
