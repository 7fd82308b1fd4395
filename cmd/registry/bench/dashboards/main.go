// Command dashboards shows that the dashboards of the chart show something, and what: it runs three nodes, lbsync and a
// HAProxy under some load, has a Prometheus scrape them, kills a node and starts it again, and then asks Prometheus what
// every panel asks, with the variables filled in as Grafana does. A panel without data is a failure. The answers are drawn
// as one picture.
//
// It is no Grafana: how it looks there is Grafana's matter, and this shows only that what is asked is there.
//
// Run it by `make dashboards`, which installs Prometheus and HAProxy when they are missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"rollcall/cmd/registry/bench/kit"
)

func main() { kit.Main("dashboards", run) }

// options are the command line.
type options struct {
	registry   string
	haproxy    string
	prometheus string
	dashboards string
	picture    string
	dir        string
	lasts      time.Duration
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("dashboards", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.registry, "registry", "bin/registry", "`path` of the registry binary")
	fs.StringVar(&o.haproxy, "haproxy", "haproxy", "`path` of HAProxy")
	fs.StringVar(&o.prometheus, "prometheus", "prometheus", "`path` of Prometheus")
	fs.StringVar(&o.dashboards, "dashboards", "charts/rollcall/dashboards", "`directory` of the dashboards")
	fs.StringVar(&o.picture, "picture", "docs/dashboards.svg", "`path` of the picture to write")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "`directory` for configurations, sockets and data; its path must be short")
	fs.DurationVar(&o.lasts, "for", 3*time.Minute, "how long it all runs")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.lasts < time.Minute {
		return o, fmt.Errorf("-for %v: a minute at least", o.lasts)
	}
	return o, kit.Find("make dashboards", &o.registry, &o.haproxy, &o.prometheus)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	boards, err := readDashboards(o.dashboards)
	if err != nil {
		return err
	}
	r, err := newRig(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer r.close()
	past, err := r.play(ctx, o.lasts)
	if err != nil {
		return err
	}
	if err := r.prometheus.fill(ctx, boards); err != nil {
		return err
	}
	if err := r.prometheus.answer(ctx, boards, past); err != nil {
		return err
	}
	if err := os.WriteFile(o.picture, draw(boards, past), 0o644); err != nil {
		return err
	}
	return report(stdout, boards)
}

// report lists what the panels have, and fails if one has nothing without a good reason.
func report(out io.Writer, boards []*dashboard) error {
	var empty []error
	for _, d := range boards {
		panels, series := 0, 0
		for _, p := range d.panels() {
			n := p.series()
			panels, series = panels+1, series+n
			if n == 0 && mayBeEmpty[p.Title] == "" {
				empty = append(empty, fmt.Errorf("%s: %q has no data", d.Title, p.Title))
			}
		}
		if _, err := fmt.Fprintf(out, "%-24s %3d panels %4d series\n", d.Title, panels, series); err != nil {
			return err
		}
	}
	return errors.Join(empty...)
}
