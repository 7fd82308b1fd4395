package main

import (
	"io"
	"math"
	"slices"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

// A report is what the run found, in the order in which it was found.
type report struct {
	facts   []string
	figures []figure
	tables  []kit.Table
}

// A figure is one thing that was measured.
type figure struct {
	work   string
	of     string // the balancer, or whose it is
	what   string // with its unit
	target kit.Target
	found  float64
}

func (r *report) add(figures ...figure) { r.figures = append(r.figures, figures...) }

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	all := kit.Table{Head: []string{"work", "of", "figure", "target", "found", "verdict"}}
	for _, f := range r.figures {
		all.Add(f.work, f.of, f.what, f.target.String(), kit.Number(f.found), f.target.Verdict(f.found))
	}
	_, err := io.WriteString(w, kit.Markdown(r.facts, append([]kit.Table{all}, r.tables...)...))
	return err
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
