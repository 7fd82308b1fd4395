package lbsync

import (
	"strconv"
	"strings"
	"time"
)

// Duration is a time in lbsync.yaml: a number with a unit, such as 200ms, 30s or 10m.
type Duration time.Duration

// UnmarshalYAML reads a duration. What is none becomes a negative one, which [ParseConfig] reports with its place and
// together with all else that is wrong: an error from here would have no place and would hide the rest.
func (d *Duration) UnmarshalYAML(text []byte) error {
	v, err := time.ParseDuration(scalar(text))
	if err != nil || v < 0 {
		v = -1
	}
	*d = Duration(v)
	return nil
}

// Percent is a share from 0 to 1, written in lbsync.yaml as 15%.
type Percent float64

// UnmarshalYAML reads "15%". What is none becomes negative, as with [Duration].
func (p *Percent) UnmarshalYAML(text []byte) error {
	number, ok := strings.CutSuffix(scalar(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || v > 100 || strings.Trim(number, ".0123456789") != "" {
		v = -100
	}
	*p = Percent(v / 100)
	return nil
}

// scalar is the text of a YAML scalar without quotes.
func scalar(text []byte) string {
	return strings.Trim(strings.TrimSpace(string(text)), `"'`)
}

// OnEmpty says what happens when a pool would become empty. Its zero value is [OnEmptyKeep].
type OnEmpty string

// The answers to an empty pool.
const (
	OnEmptyKeep     OnEmpty = "keep"
	OnEmptyFallback OnEmpty = "fallback"
	OnEmptyEmpty    OnEmpty = "empty"
)

// ReportOff is the [Config].Report with which nothing is reported.
const ReportOff = "none"
