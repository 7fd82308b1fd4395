package main

import (
	"fmt"
	"io"
	"slices"

	"rollcall/cmd/registry/bench/kit"
)

// A report is what the run found, in the order in which it was found.
type report struct {
	facts       []string
	comparisons []comparison
	tables      []kit.Table
}

// A comparison is the registry's figure divided by another server's, once per round.
type comparison struct {
	work    string
	against string
	what    string
	target  kit.Target
	ratios  []float64
	cpu     []float64 // ratios of the CPU time per request, if requests were counted
}

func (r *report) compare(c comparison) { r.comparisons = append(r.comparisons, c) }

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	ratios := kit.Table{Head: []string{"work", "registry against", "figure", "target", "median", "min–max", "verdict", "CPU time"}}
	for _, c := range r.comparisons {
		mid, cpu := kit.Median(c.ratios), ""
		if len(c.cpu) > 0 {
			cpu = fmt.Sprintf("× %.2f", kit.Median(c.cpu))
		}
		ratios.Rows = append(ratios.Rows, []string{
			c.work, c.against, c.what, c.target.String(), fmt.Sprintf("%.2f", mid),
			fmt.Sprintf("%.2f–%.2f", slices.Min(c.ratios), slices.Max(c.ratios)), c.target.Verdict(mid), cpu,
		})
	}
	_, err := io.WriteString(w, kit.Markdown(r.facts, append([]kit.Table{ratios}, r.tables...)...))
	return err
}

// addRow appends a row: a name, then pairs of a format and a value.
func addRow(t *kit.Table, name string, formatsAndValues ...any) {
	row := []string{name}
	for pair := range slices.Chunk(formatsAndValues, 2) {
		row = append(row, fmt.Sprintf(pair[0].(string), pair[1]))
	}
	t.Add(row...)
}
