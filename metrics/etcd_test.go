package metrics_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/lbsync/lbtest"
	"rollcall/lbsync/lbtest/ports"
	"rollcall/metrics"
	"rollcall/registry"
	"rollcall/registry/httpapi"
)

// What etcd shows after some requests of every kind, a node shows after the same, with the same labels.
func TestEtcdNames(t *testing.T) {
	store := registry.New(registry.Options{})
	go store.Run(t.Context())
	store.Synced()
	e := metrics.NewEtcd(store.Stats)
	exposed := metrics.NewRegistry("v1", e)
	ours := httptest.NewServer(httpapi.New(store, httpapi.Options{
		MaxBody: httpapi.DefaultMaxBody, Instrument: e.Wrap,
		Extra: []httpapi.Route{{Pattern: "/metrics", Handler: metrics.Handler(exposed)}},
	}))
	defer ours.Close()

	theirs := startEtcd(t)
	before := scrape(t, theirs)
	for _, url := range []string{ours.URL, theirs} {
		requestAll(t, url)
	}
	want, got := scrape(t, theirs), scrape(t, ours.URL)
	if diff := cmp.Diff(want.series, got.series); diff != "" {
		t.Errorf("names and labels (-etcd +Rollcall):\n%s", diff)
	}
	if diff := cmp.Diff(want.types, got.types); diff != "" {
		t.Errorf("types (-etcd +Rollcall):\n%s", diff)
	}
	if len(want.types) != 8 {
		t.Errorf("etcd has %d of the names, want 8: %q", len(want.types), want.types)
	}
	for name, v := range got.values {
		if w := want.values[name] - before.values[name]; w != v && !strings.HasPrefix(name, "etcd_debugging_store_reads_total") {
			t.Errorf("%s is %v, for etcd it rose by %v", name, v, w) // etcd itself reads, too
		}
	}
}

func startEtcd(t *testing.T) string {
	t.Helper()
	var urls []string
	for range 2 {
		addr, err := ports.FreeAddr(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, "http://"+addr)
	}
	lbtest.Start(t, lbtest.Program(t, "etcd"), "--enable-v2", "--data-dir", t.TempDir(),
		"--listen-client-urls", urls[0], "--advertise-client-urls", urls[0],
		"--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1], "--initial-cluster", "default="+urls[1])
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		// It writes to its own store until it knows the cluster's version.
		_, body, err := request(t.Context(), http.MethodGet, urls[0]+"/version", "")
		if err == nil && strings.Contains(body, `"etcdcluster":"3.`) {
			return urls[0]
		}
		if time.Now().After(deadline) {
			t.Fatalf("etcd is not ready: %s, %v", body, err)
		}
	}
}

func request(ctx context.Context, method, url, form string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(form))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// requestAll makes each action succeed, and fail where it can.
func requestAll(t *testing.T, url string) {
	t.Helper()
	for _, r := range []struct {
		method, path, form string
		status             int
	}{
		{"PUT", "/a", "value=1", 201},
		{"PUT", "/a", "value=1", 200},
		{"PUT", "/a?prevExist=true", "value=2", 200},
		{"PUT", "/b?prevExist=true", "value=2", 404},
		{"PUT", "/c?prevExist=false", "value=2", 201},
		{"PUT", "/c?prevExist=false", "value=2", 412},
		{"PUT", "/a?prevValue=2", "value=3", 200},
		{"PUT", "/a?prevValue=2", "value=3", 412},
		{"PUT", "/a", "value=3&ttl=soon", 400},
		{"POST", "/in", "value=3", 201},
		{"GET", "/a", "", 200},
		{"GET", "/in?recursive=true", "", 200},
		{"GET", "/nothing", "", 404},
		{"DELETE", "/a?prevValue=2", "", 412},
		{"DELETE", "/a?prevValue=3", "", 200},
		{"DELETE", "/in", "", 403},
		{"DELETE", "/in?recursive=true", "", 200},
		{"DELETE", "/nothing", "", 404},
		{"PUT", "/short", "value=1&ttl=1", 201},
	} {
		if status, _, err := request(t.Context(), r.method, url+"/v2/keys"+r.path, r.form); err != nil || status != r.status {
			t.Errorf("%s: %s %s: %d, want %d, error %v", url, r.method, r.path, status, r.status, err)
		}
	}
	if status, _, err := request(t.Context(), http.MethodGet, url+"/v2/keys/short?wait=true", ""); err != nil || status != http.StatusOK {
		t.Errorf("%s: the expiry was not seen: %d, %v", url, status, err)
	}
}

// scraped is what /metrics says under the names that we have, too.
type scraped struct {
	series []string           // with labels
	types  []string           // the lines of the types
	values map[string]float64 // without those of durations
}

var (
	ofInterest = regexp.MustCompile(`^(# (?:HELP|TYPE) )?(etcd_debugging_store_|etcd_http_)`)
	duration   = regexp.MustCompile(`^etcd_http_successful_duration_seconds_(bucket|sum)`)
)

func scrape(t *testing.T, url string) scraped {
	t.Helper()
	_, text, err := request(t.Context(), http.MethodGet, url+"/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	s := scraped{values: map[string]float64{}}
	described := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case !ofInterest.MatchString(line):
		case strings.HasPrefix(line, "# HELP "):
			described++
		case strings.HasPrefix(line, "# TYPE "):
			s.types = append(s.types, line)
		default:
			i := strings.LastIndexByte(line, ' ')
			s.series = append(s.series, line[:i])
			if !duration.MatchString(line) {
				var v float64
				if _, err := fmt.Sscan(line[i+1:], &v); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				s.values[line[:i]] = v
			}
		}
	}
	if described != len(s.types) {
		t.Errorf("%s: %d descriptions of %d names", url, described, len(s.types))
	}
	slices.Sort(s.series)
	slices.Sort(s.types)
	return s
}
