package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// A report is what the run found, in the order in which it was found.
type report struct {
	facts       []string
	comparisons []comparison
	tables      []table
}

// A target is what a ratio should reach. The zero value asks for nothing.
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
		return fmt.Sprintf("≥ %.2f", t.bound)
	default:
		return fmt.Sprintf("≤ %.2f", t.bound)
	}
}

// verdict says whether the ratio reaches the target; it says nothing when there is none.
func (t target) verdict(ratio float64) string {
	switch {
	case t == target{}:
		return ""
	case t.atLeast && ratio >= t.bound, !t.atLeast && ratio <= t.bound:
		return "met"
	default:
		return "missed"
	}
}

// A comparison is the registry's figure divided by another server's, once per round.
type comparison struct {
	work    string
	against string
	what    string
	target  target
	ratios  []float64
	cpu     []float64 // ratios of the CPU time per request, if requests were counted
}

func (r *report) compare(c comparison) { r.comparisons = append(r.comparisons, c) }

// A table holds figures of single servers, for those who want to know more than the ratios.
type table struct {
	title string
	head  []string
	rows  [][]string
}

// add appends a row: a name, then pairs of a format and a value.
func (t *table) add(name string, formatsAndValues ...any) {
	row := []string{name}
	for pair := range slices.Chunk(formatsAndValues, 2) {
		row = append(row, fmt.Sprintf(pair[0].(string), pair[1]))
	}
	t.rows = append(t.rows, row)
}

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	var out strings.Builder
	for _, fact := range r.facts {
		fmt.Fprintf(&out, "- %s\n", fact)
	}
	ratios := table{head: []string{"work", "registry against", "figure", "target", "median", "min–max", "verdict", "CPU time"}}
	for _, c := range r.comparisons {
		mid, cpu := median(c.ratios), ""
		if len(c.cpu) > 0 {
			cpu = fmt.Sprintf("× %.2f", median(c.cpu))
		}
		ratios.rows = append(ratios.rows, []string{
			c.work, c.against, c.what, c.target.String(), fmt.Sprintf("%.2f", mid),
			fmt.Sprintf("%.2f–%.2f", slices.Min(c.ratios), slices.Max(c.ratios)), c.target.verdict(mid), cpu,
		})
	}
	ratios.write(&out)
	for _, t := range r.tables {
		t.write(&out)
	}
	_, err := io.WriteString(w, out.String())
	return err
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
