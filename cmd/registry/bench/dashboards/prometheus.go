package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// scrapeInterval is short, so that a run of minutes has enough to show.
	scrapeInterval = 2 * time.Second
	// rateInterval is what Grafana puts for $__rate_interval: four scrapes.
	rateInterval = 4 * scrapeInterval
)

// prometheus is a running Prometheus.
type prometheus struct{ url string }

// span is a time of which something is asked, and what happened in it.
type span struct {
	start, end time.Time
	marks      []mark
}

// mark is a moment at which something was done.
type mark struct {
	at   time.Time
	what string
}

// get asks the API for something and decodes what is in the answer.
func (p *prometheus) get(ctx context.Context, path string, query url.Values, data any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/"+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return fmt.Errorf("%s: %s: %w", path, answer.Status, err)
	}
	if body.Status != "success" {
		return fmt.Errorf("%s?%s: %s", path, query.Encode(), body.Error)
	}
	return json.Unmarshal(body.Data, data)
}

// fill finds the values of the dashboards' variables, as Grafana does when a dashboard is opened.
func (p *prometheus) fill(ctx context.Context, boards []*dashboard) error {
	for _, d := range boards {
		d.values["__rate_interval"] = rateInterval.String()
		for _, v := range d.Templating.List {
			if v.Type == "datasource" {
				continue
			}
			value, err := p.value(ctx, d, v)
			if err != nil {
				return fmt.Errorf("%s: %w", d.Title, err)
			}
			d.values[v.Name] = value
		}
	}
	return nil
}

// value is all for a variable that can be all, else the first of its values. One without values is an error.
func (p *prometheus) value(ctx context.Context, d *dashboard, v variable) (string, error) {
	selector, label, err := v.asks()
	if err != nil {
		return "", err
	}
	if selector, err = d.expand(selector); err != nil {
		return "", err
	}
	var values []string
	if err := p.get(ctx, "label/"+label+"/values", url.Values{"match[]": {selector}}, &values); err != nil {
		return "", err
	}
	if len(values) == 0 {
		return "", fmt.Errorf("variable %s has no values: %s", v.Name, selector)
	}
	if v.AllValue != "" {
		return v.AllValue, nil
	}
	return values[0], nil
}

// answer has Prometheus answer all panels.
func (p *prometheus) answer(ctx context.Context, boards []*dashboard, past span) error {
	for _, d := range boards {
		for _, one := range d.panels() {
			for i := range one.Targets {
				if err := p.answerTarget(ctx, d, &one.Targets[i], past); err != nil {
					return fmt.Errorf("%s: %s: %w", d.Title, one.Title, err)
				}
			}
		}
	}
	return nil
}

func (p *prometheus) answerTarget(ctx context.Context, d *dashboard, t *target, past span) error {
	expr, err := d.expand(t.Expr)
	if err != nil {
		return err
	}
	var data struct {
		Result []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	err = p.get(ctx, "query_range", url.Values{
		"query": {expr}, "step": {seconds(scrapeInterval)},
		"start": {strconv.FormatInt(past.start.Unix(), 10)}, "end": {strconv.FormatInt(past.end.Unix(), 10)},
	}, &data)
	if err != nil {
		return err
	}
	for _, r := range data.Result {
		l := line{legend: t.name(r.Metric)}
		for _, v := range r.Values {
			at, _ := v[0].(float64)
			text, _ := v[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return fmt.Errorf("value %v: %w", v, err)
			}
			if !math.IsNaN(value) && !math.IsInf(value, 0) {
				l.points = append(l.points, point{at - float64(past.start.Unix()), value})
			}
		}
		if len(l.points) > 0 {
			t.lines = append(t.lines, l)
		}
	}
	slices.SortFunc(t.lines, func(a, b line) int { return strings.Compare(a.legend, b.legend) })
	return nil
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
