package main

import (
	"io"
	"slices"

	"rollcall/cmd/registry/bench/kit"
)

// A report is what the run found, in the order in which it was found.
type report struct {
	facts   []string
	figures []figure
	tables  []kit.Table
}

// A figure is one thing that was measured once per round, of the registry and perhaps of etcd.
type figure struct {
	work   string
	what   string     // with its unit
	target kit.Target // for the median of ours
	ours   []float64
	etcd   []float64
}

func (r *report) add(figures ...figure) { r.figures = append(r.figures, figures...) }

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	all := kit.Table{Head: []string{"work", "figure", "target", "registry", "min–max", "verdict", "etcd", "min–max"}}
	for _, f := range r.figures {
		cells := []string{f.work, f.what, f.target.String()}
		cells = append(cells, middle(f.ours)...)
		cells = append(cells, f.target.Verdict(kit.Median(f.ours)))
		all.Rows = append(all.Rows, append(cells, middle(f.etcd)...))
	}
	_, err := io.WriteString(w, kit.Markdown(r.facts, append([]kit.Table{all}, r.tables...)...))
	return err
}

// middle is the median, and the smallest and the largest figure; two empty cells for none.
func middle(figures []float64) []string {
	if len(figures) == 0 {
		return []string{"", ""}
	}
	return []string{kit.Number(kit.Median(figures)), kit.Number(slices.Min(figures)) + "–" + kit.Number(slices.Max(figures))}
}
