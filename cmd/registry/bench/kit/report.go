package kit

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Target is what a figure should reach. The zero value asks for nothing.
type Target struct {
	bound float64
	kind  targetKind
}

type targetKind int

const (
	noTarget targetKind = iota
	lowest
	highest
)

// AtLeast asks for a figure that is not below bound, AtMost for one that is not above it.
func AtLeast(bound float64) Target { return Target{bound, lowest} }

// AtMost is described at AtLeast.
func AtMost(bound float64) Target { return Target{bound, highest} }

func (t Target) String() string {
	switch t.kind {
	case lowest:
		return "≥ " + Number(t.bound)
	case highest:
		return "≤ " + Number(t.bound)
	default:
		return ""
	}
}

// Verdict says whether the figure reaches the target; it says nothing when there is none.
func (t Target) Verdict(v float64) string {
	switch {
	case t.kind == noTarget:
		return ""
	case t.kind == lowest && v >= t.bound, t.kind == highest && v <= t.bound:
		return "met"
	default:
		return "missed"
	}
}

// A Table is printed as Markdown; one without rows is not printed.
type Table struct {
	Title string
	Head  []string
	Rows  [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// AddFigures appends a row: a name, then figures.
func (t *Table) AddFigures(name string, figures ...float64) {
	row := []string{name}
	for _, f := range figures {
		row = append(row, Number(f))
	}
	t.Rows = append(t.Rows, row)
}

// Markdown prints facts as a list, and then tables.
func Markdown(facts []string, tables ...Table) string {
	var out strings.Builder
	for _, fact := range facts {
		fmt.Fprintf(&out, "- %s\n", fact)
	}
	for _, t := range tables {
		t.write(&out)
	}
	return out.String()
}

func (t *Table) write(out *strings.Builder) {
	if len(t.Rows) == 0 {
		return
	}
	out.WriteString("\n")
	if t.Title != "" {
		fmt.Fprintf(out, "%s:\n\n", t.Title)
	}
	writeCells(out, t.Head)
	writeCells(out, slices.Repeat([]string{"---"}, len(t.Head)))
	for _, row := range t.Rows {
		writeCells(out, row)
	}
}

func writeCells(out *strings.Builder, cells []string) {
	fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

// Number prints a figure with about three digits.
func Number(v float64) string {
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

// Series takes one figure out of each of some results.
func Series[T any](results []T, figure func(T) float64) []float64 {
	figures := make([]float64, 0, len(results))
	for _, r := range results {
		figures = append(figures, figure(r))
	}
	return figures
}

// Ratios divides round by round. Both series have one figure per round.
func Ratios(ours, theirs []float64) []float64 {
	quotients := make([]float64, len(ours))
	for i := range ours {
		quotients[i] = ours[i] / theirs[i]
	}
	return quotients
}

// Median is the middle of the figures, or the mean of the two in the middle; there must be at least one.
func Median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
