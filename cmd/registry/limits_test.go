package main

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"rollcall/registry"
	"rollcall/registry/disk"
	"rollcall/registry/httpapi"
)

// limitRow is a row of the table in docs/limits.md.
var limitRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `--([a-z-]+)` \\| `([0-9]+)` \\|")

// docs/limits.md has the flags, their defaults, and the names that the metrics have for them.
func TestLimitsDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range limitRow.FindAllSubmatch(text, -1) {
		documented[string(row[2])] = string(row[3])
		if want := "max-" + strings.ReplaceAll(string(row[1]), "_", "-"); string(row[2]) != want {
			t.Errorf("the limit %s has the flag %s, not %s", row[1], row[2], want)
		}
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	new(limitsConfig).register(flags)
	real := map[string]string{}
	flags.VisitAll(func(f *pflag.Flag) { real[f.Name] = f.DefValue })
	if diff := cmp.Diff(documented, real); diff != "" {
		t.Errorf("docs/limits.md (-) against the flags (+):\n%s", diff)
	}
}

// The limits of the document are those of the metrics.
func TestLimitsHaveSeries(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, exposed []string
	for _, row := range limitRow.FindAllSubmatch(text, -1) {
		documented = append(documented, string(row[1]))
	}
	base := startProcess(t, nil, anyPort).base
	for _, series := range regexp.MustCompile(`rollcall_limit_refusals_total\{limit="([a-z_]+)"\} 0`).FindAllStringSubmatch(answer(t, "GET", base+"/metrics", ""), -1) {
		exposed = append(exposed, series[1])
	}
	slices.Sort(documented)
	slices.Sort(exposed)
	if diff := cmp.Diff(documented, exposed); diff != "" {
		t.Errorf("docs/limits.md (-) against /metrics (+):\n%s", diff)
	}
}

// Limits that cannot be are refused before the node begins.
func TestLimitsAreChecked(t *testing.T) {
	for _, tt := range []struct{ flag, value, want string }{
		{"max-value", "-1", "--max-value -1: must be 0 or more"},
		{"max-value", "1048577", "--max-value 1048577: must be 1048576 or less"},
		{"max-value", "1048576", ""},
		{"max-key", "0", "--max-key 0: must be 1 or more"},
		{"max-key", "1048513", "--max-key 1048513: must be 1048512 or less"},
		{"max-key", "1048512", ""},
		{"max-depth", "0", "--max-depth 0: must be 1 or more"},
		{"max-depth", "129", "--max-depth 129: must be 128 or less"},
		{"max-depth", "128", ""},
		{"max-entries", "-1", "--max-entries -1: must be 0 or more"},
		{"max-bytes", "-1", "--max-bytes -1: must be 0 or more"},
		{"max-removals", "-1", "--max-removals -1: must be 0 or more"},
		{"max-watches", "-1", "--max-watches -1: must be 0 or more"},
		{"max-watches-per-client", "-1", "--max-watches-per-client -1: must be 0 or more"},
		{"max-connections", "-1", "--max-connections -1: must be 0 or more"},
		{"max-rate", "-0.5", "--max-rate -0.5: must be 0 or more"},
		{"max-rate", "NaN", "--max-rate NaN: must be 1e+09 or less"},
		{"max-rate", "Inf", "--max-rate +Inf: must be 1e+09 or less"},
		{"max-rate", "0.5", ""},
	} {
		var c limitsConfig
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		c.register(flags)
		if err := flags.Set(tt.flag, tt.value); err != nil {
			t.Errorf("%s %s: %v", tt.flag, tt.value, err)
		}
		got := ""
		if err := c.validate(1 << 20); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("--%s %s: %q, want %q", tt.flag, tt.value, got, tt.want)
		}
	}
}

// Each flag sets the limit that it is named for, and the store gets all of them.
func TestLimitsOfFlags(t *testing.T) {
	var c limitsConfig
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	c.register(flags)
	if got := c.ofStore(11); got.Value != 11 {
		t.Errorf("without --max-value a value may have %d bytes, a body 11", got.Value)
	}
	if err := flags.Parse([]string{
		"--max-value=1", "--max-key=2", "--max-depth=3", "--max-entries=4", "--max-bytes=5", "--max-removals=6", "--max-watches=7",
		"--max-watches-per-client=8", "--max-rate=9.5", "--max-connections=10",
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := c.ofStore(11), (registry.Limits{Value: 1, Key: 2, Depth: 3, Entries: 4, Bytes: 5, Removals: 6, Watches: 7}); got != want {
		t.Errorf("limits of the store %+v, want %+v", got, want)
	}
	if want := (httpapi.GuardOptions{WatchesPerClient: 8, Rate: 9.5, Connections: 10}); c.guard != want {
		t.Errorf("limits of clients %+v, want %+v", c.guard, want)
	}
}

// limitSettings are the flags of the limits, each with a limit that is reached at once.
func limitSettings() []setting {
	put := func(key, form string, statuses ...int) func(*testing.T, string) {
		return func(t *testing.T, base string) {
			t.Helper()
			for i, want := range statuses {
				resp := request(t, "PUT", base+"/v2/keys/"+key+strings.Repeat("x", i), form)
				if resp.StatusCode != want {
					t.Errorf("write %d: %s, want %d", i, resp.Status, want)
				}
			}
		}
	}
	watches := func(want int) func(*testing.T, string) {
		return func(t *testing.T, base string) {
			t.Helper()
			request(t, "GET", base+"/v2/keys/a?wait=true", "") // waits until the test ends
			if resp := request(t, "GET", base+"/v2/keys/a?wait=true", ""); resp.StatusCode != want {
				t.Errorf("a second watch: %s, want %d", resp.Status, want)
			}
		}
	}
	return []setting{
		{"max-value", "3", put("a", "value=1234", http.StatusBadRequest)},
		{"max-key", "2", put("a", "value=1", http.StatusCreated, http.StatusBadRequest)},
		{"max-depth", "1", put("a/b", "value=1", http.StatusBadRequest)},
		{"max-entries", "1", put("a", "value=1", http.StatusCreated, http.StatusForbidden)},
		{"max-bytes", "5", put("a", "value=1", http.StatusCreated, http.StatusForbidden)},
		{"max-watches", "1", watches(http.StatusServiceUnavailable)},
		{"max-watches-per-client", "1", watches(http.StatusTooManyRequests)},
		{"max-rate", "1", put("a", "value=1", http.StatusCreated, http.StatusTooManyRequests)},
		{"max-connections", "1", func(t *testing.T, base string) {
			t.Helper()
			request(t, "GET", base+"/v2/keys/a?wait=true", "") // waits until the test ends
			if resp := request(t, "GET", base+"/v2/keys/", ""); resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("on a second connection: %s", resp.Status)
			}
			if got := answer(t, "GET", base+"/livez", ""); got != "ok\n" {
				t.Errorf("a probe is answered %q", got)
			}
		}},
	}
}

// The longest key with the largest value that the flags allow comes back from the journal.
func TestLargestEntryIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := registry.Key("/" + strings.Repeat("k", maxMaxKey-1))
	for run := range 2 {
		db, err := disk.Open(dir, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := registry.New(registry.Options{})
		if err := s.Attach(db); err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			ctx, cancel := context.WithCancel(t.Context())
			kept := make(chan error, 1)
			go func() { kept <- s.Keep(ctx) }()
			if _, err := s.Put(key, registry.PutOptions{Value: strings.Repeat("v", maxMaxBody)}); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-kept; err != nil {
				t.Error(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
