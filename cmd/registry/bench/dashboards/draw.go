package main

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The measures of the picture, in pixels.
const (
	columns      = 4
	cellWidth    = 400
	cellHeight   = 190
	headHeight   = 44
	plotLeft     = 54
	plotRight    = 12
	plotTop      = 30
	plotBottom   = 54 // room for two lines of a legend
	legendRows   = 2
	legendHeight = 13
	letterWidth  = 5.6 // of the legend's letters, about
)

var colours = []string{"#1f77b4", "#e6550d", "#2ca02c", "#9467bd", "#d62728", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"}

// draw returns the picture: all panels of all dashboards, each with its lines and their legend.
func draw(boards []*dashboard, past span) []byte {
	var body bytes.Buffer
	y := 0
	for _, d := range boards {
		fmt.Fprintf(&body, `<text x="12" y="%d" class="d">%s</text>`+"\n", y+30, html.EscapeString(d.Title))
		y += headHeight
		for i, p := range d.panels() {
			fmt.Fprintf(&body, `<g transform="translate(%d,%d)">`+"\n", i%columns*cellWidth, y+i/columns*cellHeight)
			drawPanel(&body, p, past)
			body.WriteString("</g>\n")
		}
		y += (len(d.panels()) + columns - 1) / columns * cellHeight
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="DejaVu Sans, Verdana, sans-serif">
<style>.d{font-size:20px;font-weight:bold}.t{font-size:12px;font-weight:bold}.a{font-size:9.5px;fill:#555}.l{font-size:9.5px}.v{font-size:34px;text-anchor:middle}.g{stroke:#ddd}.m{stroke:#999;stroke-dasharray:3 3}polyline{fill:none;stroke-width:1.4}</style>
<rect width="100%%" height="100%%" fill="#fff"/>
`, columns*cellWidth, y+8)
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func drawPanel(w *bytes.Buffer, p *panel, past span) {
	fmt.Fprintf(w, `<rect x="4" y="4" width="%d" height="%d" fill="#fafafa" stroke="#ccc"/><text x="12" y="20" class="t">%s</text>`+"\n",
		cellWidth-8, cellHeight-8, html.EscapeString(p.Title))
	var lines []line
	for _, t := range p.Targets {
		lines = append(lines, t.lines...)
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(b.highest(), a.highest()) })
	switch {
	case len(lines) == 0:
		fmt.Fprintf(w, `<text x="%d" y="%d" class="v" fill="#999">no data</text>`+"\n", cellWidth/2, cellHeight/2)
	case p.Type == "stat":
		drawStat(w, p, lines)
	default:
		drawLines(w, p, lines, past)
	}
}

// highest orders lines: a legend that has no room for all of them names those that are not just 0.
func (l line) highest() float64 {
	high := math.Inf(-1)
	for _, p := range l.points {
		high = max(high, p.value)
	}
	return high
}

// drawStat draws the latest values in large letters.
func drawStat(w *bytes.Buffer, p *panel, lines []line) {
	var texts []string
	for _, l := range lines {
		texts = append(texts, axisText(l.points[len(l.points)-1].value, p.FieldConfig.Defaults.Unit))
	}
	fmt.Fprintf(w, `<text x="%d" y="%d" class="v">%s</text><text x="%d" y="%d" class="a" text-anchor="middle">%s</text>`+"\n",
		cellWidth/2, cellHeight/2+12, html.EscapeString(strings.Join(texts, " ")), cellWidth/2, cellHeight/2+36, html.EscapeString(lines[0].legend))
}

func drawLines(w *bytes.Buffer, p *panel, lines []line, past span) {
	low, high := bounds(lines)
	width, height := float64(cellWidth-plotLeft-plotRight), float64(cellHeight-plotTop-plotBottom)
	lasts := past.end.Sub(past.start).Seconds()
	x := func(at float64) float64 { return plotLeft + width*at/lasts }
	y := func(v float64) float64 { return plotTop + height*(1-(v-low)/(high-low)) }
	for i := range 4 {
		v := low + (high-low)*float64(i)/3
		fmt.Fprintf(w, `<path d="M%d %.1fH%d" class="g"/><text x="%d" y="%.1f" class="a" text-anchor="end">%s</text>`+"\n",
			plotLeft, y(v), cellWidth-plotRight, plotLeft-4, y(v)+3, axisText(v, p.FieldConfig.Defaults.Unit))
	}
	for _, m := range past.marks {
		fmt.Fprintf(w, `<path d="M%.1f %dV%d" class="m"><title>%s</title></path>`, x(m.at.Sub(past.start).Seconds()), plotTop, cellHeight-plotBottom, html.EscapeString(m.what))
	}
	for i, l := range lines {
		drawLine(w, l, x, y, colours[i%len(colours)])
	}
	drawLegend(w, lines)
}

// drawLine draws a line, with gaps where there was no data for longer than some scrapes.
func drawLine(w *bytes.Buffer, l line, x, y func(float64) float64, colour string) {
	var points []string
	flush := func() {
		if len(points) == 1 { // a dot
			points = append(points, points[0])
		}
		fmt.Fprintf(w, `<polyline stroke=%q stroke-linecap="round" points="%s"/>`+"\n", colour, strings.Join(points, " "))
		points = nil
	}
	for i, p := range l.points {
		if i > 0 && p.at-l.points[i-1].at > 3*scrapeInterval.Seconds() {
			flush()
		}
		points = append(points, decimal(x(p.at))+","+decimal(y(p.value)))
	}
	flush()
}

// drawLegend writes as many names as there is room for.
func drawLegend(w *bytes.Buffer, lines []line) {
	x, row := float64(plotLeft-40), 0
	for i, l := range lines {
		name := l.legend
		if len(name) > 44 {
			name = name[:41] + "..."
		}
		size := 16 + letterWidth*float64(len(name))
		if x+size > cellWidth-plotRight {
			x, row = plotLeft-40, row+1
		}
		y := cellHeight - plotBottom + 20 + row*legendHeight
		if row == legendRows-1 && i < len(lines)-1 && x+2*size > cellWidth-plotRight || row == legendRows {
			fmt.Fprintf(w, `<text x="%.0f" y="%d" class="l">and %d more</text>`+"\n", x, y, len(lines)-i)
			return
		}
		fmt.Fprintf(w, `<rect x="%.0f" y="%d" width="9" height="3" fill=%q/><text x="%.0f" y="%d" class="l">%s</text>`+"\n",
			x, y-4, colours[i%len(colours)], x+12, y, html.EscapeString(name))
		x += size + 6
	}
}

// bounds returns the ends of the vertical axis: it begins at 0 unless something is below, and is never without height.
func bounds(lines []line) (low, high float64) {
	for _, l := range lines {
		for _, p := range l.points {
			low, high = min(low, p.value), max(high, p.value)
		}
	}
	if low == high {
		return low, low + 1
	}
	return low, low + nice(high-low)
}

// nice returns the next larger number that divides well by three.
func nice(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	steps := []float64{1.2, 1.5, 1.8, 2.1, 3, 4.5, 6, 9, 12}
	i := slices.IndexFunc(steps, func(s float64) bool { return s*unit >= v*1.02 })
	return steps[max(i, 0)] * unit
}

func decimal(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// axisText writes a value in a unit of Grafana's.
func axisText(v float64, unit string) string {
	switch unit {
	case "s":
		return scaled(v, 1000, []string{"ns", "µs", "ms", "s"}, 3)
	case "bytes":
		return scaled(v, 1024, []string{"B", "KiB", "MiB", "GiB"}, 0)
	case "Bps":
		return scaled(v, 1000, []string{"B/s", "kB/s", "MB/s"}, 0)
	case "percentunit":
		return number(v*100) + "%"
	case "reqps", "ops":
		return number(v) + "/s"
	}
	return scaled(v, 1000, []string{"", "k", "M"}, 0)
}

// scaled chooses among units, of which the one at index base is that of v.
func scaled(v, step float64, units []string, base int) string {
	i := base
	for ; i > 0 && v != 0 && math.Abs(v) < 1; i-- {
		v *= step
	}
	for ; i < len(units)-1 && math.Abs(v) >= step; i++ {
		v /= step
	}
	return strings.TrimSpace(number(v) + " " + units[i])
}

func number(v float64) string {
	return strconv.FormatFloat(v, 'g', 3, 64)
}
