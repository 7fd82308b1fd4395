package main

import (
	"bytes"
	"encoding/json"
	"html"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

func committed(t *testing.T) []*dashboard {
	t.Helper()
	boards, err := readDashboards("../../../../charts/rollcall/dashboards")
	if err != nil {
		t.Fatal(err)
	}
	return boards
}

// The picture in docs shows each panel that there is now; after a change: make dashboards.
func TestPictureHasEveryPanel(t *testing.T) {
	picture, err := os.ReadFile("../../../../docs/dashboards.svg")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, d := range committed(t) {
		for _, p := range append(d.panels(), &panel{Title: d.Title}) {
			count++
			if !bytes.Contains(picture, []byte(">"+html.EscapeString(p.Title)+"</text>")) {
				t.Errorf("%s: %q is not in the picture", d.Title, p.Title)
			}
		}
	}
	if count < 80 {
		t.Errorf("%d panels; they are not read as they should be", count)
	}
	if bytes.Contains(picture, []byte("no data")) && len(mayBeEmpty) == 0 {
		t.Error("a panel of the picture has no data")
	}
}

// Variables are asked for in an order in which each knows those that it needs, and queries need no others.
func TestVariables(t *testing.T) {
	for _, d := range committed(t) {
		d.values["__rate_interval"] = "8s"
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				continue
			}
			selector, _, err := v.asks()
			if err == nil {
				_, err = d.expand(selector)
			}
			if err != nil {
				t.Errorf("%s: %v", d.Title, err)
			}
			d.values[v.Name] = ".*"
		}
		for _, p := range d.panels() {
			for _, target := range p.Targets {
				if expr, err := d.expand(target.Expr); err != nil || strings.Contains(expr, "$") {
					t.Errorf("%s: %s: %q, error %v", d.Title, p.Title, expr, err)
				}
			}
		}
	}
	if _, err := committed(t)[0].expand("$nothing"); err == nil {
		t.Error("an unknown variable is no error")
	}
	if _, _, err := (variable{Query: json.RawMessage(`{"query":"metrics(a)"}`)}).asks(); err == nil {
		t.Error("a query that is not understood is no error")
	}
}

func TestReportFailsForAnEmptyPanel(t *testing.T) {
	d := &dashboard{Title: "D", Panels: []panel{{Title: "full", Targets: []target{{lines: []line{{}}}}}, {Type: "row", Title: "row"}}}
	if err := report(&bytes.Buffer{}, []*dashboard{d}); err != nil {
		t.Error(err)
	}
	d.Panels = append(d.Panels, panel{Title: "empty"})
	if err := report(&bytes.Buffer{}, []*dashboard{d}); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("error %v for an empty panel", err)
	}
}

func TestLegend(t *testing.T) {
	got := target{Legend: "{{a}} of {{ b }} and {{c}}"}.name(map[string]string{"a": "x", "b": "y"})
	if want := `x of y and ""`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		value      float64
		unit, want string
	}{
		{0, "s", "0 s"},
		{0.0025, "s", "2.5 ms"},
		{12, "s", "12 s"},
		{3 << 20, "bytes", "3 MiB"},
		{0.25, "percentunit", "25%"},
		{1200, "short", "1.2 k"},
		{4, "short", "4"},
		{0.5, "ops", "0.5/s"},
		{2500, "Bps", "2.5 kB/s"},
	} {
		if got := axisText(c.value, c.unit); got != c.want {
			t.Errorf("%v in %s is %q, want %q", c.value, c.unit, got, c.want)
		}
	}
	for _, v := range []float64{1e-9, 0.3, 1, 1.19, 7, 9.9, 100, 12345} {
		if n := nice(v); n < v || n > 2*v {
			t.Errorf("the axis for %v goes to %v", v, n)
		}
	}
	if low, high := bounds([]line{{points: []point{{0, 5}}}}); low != 0 || high < 5 || math.IsInf(high, 0) {
		t.Errorf("the axis for 5 is from %v to %v", low, high)
	}
}

// Data that is missing for a while is a gap, one value alone a dot.
func TestLinesHaveGaps(t *testing.T) {
	d := &dashboard{Title: "D", Panels: []panel{{Title: "P", Type: "timeseries", Targets: []target{{lines: []line{
		{legend: "a<b", points: []point{{0, 1}, {2, 1}, {30, 2}, {60, 3}, {62, 3}}},
	}}}}}}
	now := time.Unix(0, 0)
	text := string(draw([]*dashboard{d}, span{start: now, end: now.Add(time.Minute)}))
	if n := strings.Count(text, "<polyline"); n != 3 {
		t.Errorf("%d pieces of a line with two gaps", n)
	}
	if !strings.Contains(text, "a&lt;b") {
		t.Error("a legend is not escaped")
	}
}
