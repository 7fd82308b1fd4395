package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mayBeEmpty says of the panels, by title, that may have no data here why that is so.
var mayBeEmpty = map[string]string{}

// dashboard is what is used here of a dashboard of Grafana's.
type dashboard struct {
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`

	values map[string]string // of the variables
}

type variable struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	AllValue string          `json:"allValue"`
	Query    json.RawMessage `json:"query"`
}

type panel struct {
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Targets     []target `json:"targets"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

type target struct {
	Expr   string `json:"expr"`
	Legend string `json:"legendFormat"`

	lines []line // what Prometheus has answered
}

// line is one series of an answer.
type line struct {
	legend string
	points []point
}

type point struct{ at, value float64 }

// readDashboards reads all dashboards of a directory, by their names.
func readDashboards(dir string) ([]*dashboard, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no dashboards in %s", dir)
	}
	var all []*dashboard
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d := &dashboard{values: map[string]string{}}
		if err := json.Unmarshal(text, d); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *dashboard) int { return cmp.Compare(a.UID, b.UID) })
	return all, nil
}

// panels returns those that show data.
func (d *dashboard) panels() []*panel {
	var all []*panel
	for i := range d.Panels {
		if d.Panels[i].Type != "row" {
			all = append(all, &d.Panels[i])
		}
	}
	return all
}

// series counts what Prometheus has answered with.
func (p *panel) series() int {
	n := 0
	for _, t := range p.Targets {
		n += len(t.lines)
	}
	return n
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	reference   = regexp.MustCompile(`\$(\w+)`)
	placeholder = regexp.MustCompile(`{{\s*(\w+)\s*}}`)
)

// asks returns the selector and the label of which a variable has the values.
func (v variable) asks() (selector, label string, err error) {
	var query struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal(v.Query, &query); err != nil {
		return "", "", fmt.Errorf("variable %s: %w", v.Name, err)
	}
	found := labelValues.FindStringSubmatch(query.Query)
	if found == nil {
		return "", "", fmt.Errorf("variable %s: %q is not understood", v.Name, query.Query)
	}
	return found[1], found[2], nil
}

// expand fills in the variables of a query.
func (d *dashboard) expand(query string) (string, error) {
	var errs []error
	out := reference.ReplaceAllStringFunc(query, func(name string) string {
		value, ok := d.values[name[1:]]
		if !ok {
			errs = append(errs, fmt.Errorf("no variable %s in %s", name, query))
		}
		return value
	})
	return out, errors.Join(errs...)
}

// name fills labels into the legend of a target.
func (t target) name(labels map[string]string) string {
	return strings.TrimSpace(placeholder.ReplaceAllStringFunc(t.Legend, func(s string) string {
		return cmp.Or(labels[placeholder.FindStringSubmatch(s)[1]], `""`)
	}))
}
