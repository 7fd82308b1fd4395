package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/registry"
	"rollcall/registry/client"
	"rollcall/registry/httpapi"
	"rollcall/registry/httpapi/difftest"
)

// put writes keys, each KEY FORM, at a server of the v2 API.
func put(t *testing.T, base string, keys ...string) {
	t.Helper()
	for _, k := range keys {
		key, form, _ := strings.Cut(k, " ")
		if resp := request(t, "PUT", base+"/v2/keys"+key, form); resp.StatusCode > 299 {
			t.Fatalf("PUT %s: %s", k, resp.Status)
		}
	}
}

// importTarget is a registry whose requests pass through front, which may answer itself and then returns true.
func importTarget(t *testing.T, front func(store *registry.Store, w http.ResponseWriter, r *http.Request) bool) (base string, store *registry.Store) {
	t.Helper()
	store = registry.New(registry.Options{})
	handler := httpapi.New(store, httpapi.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if front == nil || !front(store, w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, store
}

// runImport runs import and returns its exit code and what it printed.
func runImport(t *testing.T, from, to string, args ...string) outcome {
	t.Helper()
	return runCommand(t.Context(), testEnv(append([]string{"import", "--from", from, "--endpoints", to, "--timeout", "10s"}, args...)))
}

// wantImport compares a run of import with what it should print.
func wantImport(t *testing.T, got outcome, code int, stdout ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(stdout, "\n")+"\n", got.stdout); diff != "" || got.code != code {
		t.Errorf("code %d, want %d; %s\n%s", got.code, code, got.stderr, diff)
	}
}

// listed returns what a registry shows below the root, as KEY=VALUE, with a trailing slash and no value for directories.
func listed(t *testing.T, base string) (keys []string) {
	t.Helper()
	c, err := client.New([]string{base}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.Get(t.Context(), "/", client.GetOptions{Recursive: true, Sorted: true})
	if err != nil {
		t.Fatal(err)
	}
	eachNode(root.Node, func(n *client.Node) {
		end := "=" + n.Value
		if n.Dir {
			end = "/"
		}
		keys = append(keys, n.Key+end)
	})
	return keys
}

// What a real etcd holds is copied: twice, over what differs, and hidden keys by their directory.
func TestImportFromEtcd(t *testing.T) {
	t.Parallel()
	etcd := difftest.StartEtcd(t).URL
	base, store := importTarget(t, nil)
	put(t, etcd, "/frontends/fe1 value=10.0.1.1&ttl=100", "/config/db value=db1", "/config/k%C3%A4se%20x value=a%0Ab%3D%26%2B%25",
		"/config/_secret/pw value=hush", "/none value=", "/empty dir=true", "/leased dir=true&ttl=100", "/leased/a value=1", "/file value=1",
		"/dir/below value=1", "/dir/deep/er value=1", "/same value=1", "/both value=1&ttl=100", "/both2 value=1&ttl=100", "/loses value=1&ttl=100", "/stays value=1")
	put(t, base, "/file/below value=1", "/dir value=1", "/config/db value=db2", "/same value=1", "/both value=1&ttl=50", "/both2 value=2&ttl=50",
		"/loses value=1", "/stays value=1&ttl=100", "/own value=1")
	before := listed(t, base)

	differs := []string{
		"differs: /both2: another value, with a TTL here and there",
		"differs: /config/db: another value",
		"refused: /dir: a value here, a directory there; so is all below it",
		"refused: /file: a directory here, a value there",
		"differs: /loses: a TTL there, none here",
		"differs: /stays: a TTL here, none there",
		"read: 19 entries, 6 of them directories, at index 19",
	}
	wantImport(t, runImport(t, etcd, base, "--dry-run"), exitRefused,
		append(differs, "would be made: 7, would be replaced: 0, same: 3, differ: 4, refused: 5, expired: 0, open: 0")...)
	if diff := cmp.Diff(before, listed(t, base)); diff != "" {
		t.Errorf("a dry run has changed:\n%s", diff)
	}
	got := runImport(t, etcd, base)
	wantImport(t, got, exitRefused, append(differs, "made: 7, replaced: 0, same: 3, differ: 4, refused: 5, expired: 0, open: 0")...)
	if want := "Error:  5 of 19 entries cannot be copied\n"; got.stderr != want {
		t.Errorf("%q, want %q", got.stderr, want)
	}
	want := []string{
		"/both=1", "/both2=2", "/config/", "/config/db=db2", "/config/käse x=a\nb=&+%", "/dir=1", "/empty/", "/file/", "/file/below=1", "/frontends/", "/frontends/fe1=10.0.1.1",
		"/leased/", "/leased/a=1", "/loses=1", "/none=", "/own=1", "/same=1", "/stays=1",
	}
	if diff := cmp.Diff(want, listed(t, base)); diff != "" {
		t.Errorf("the registry holds (want -, got +):\n%s", diff)
	}
	for key, most := range map[registry.Key]time.Duration{"/frontends/fe1": 100 * time.Second, "/leased": 100 * time.Second, "/config": 0, "/leased/a": 0} {
		n, err := store.Get(key, registry.GetOptions{})
		if ttl := n.TTL(); err != nil || ttl > most || ttl < most-20*time.Second {
			t.Errorf("%s has a TTL of %v, want some %v; %v", key, ttl, most, err)
		}
	}
	wantImport(t, runImport(t, etcd, base), exitRefused, append(differs, "made: 0, replaced: 0, same: 10, differ: 4, refused: 5, expired: 0, open: 0")...)
	wantImport(t, runImport(t, etcd, base, "--overwrite", "--prefix", "/config"), 0,
		"read: 3 entries, 1 of them directories, at index 19", "made: 0, replaced: 1, same: 2, differ: 0, refused: 0, expired: 0, open: 0")
	wantImport(t, runImport(t, etcd, base, "--overwrite", "--prefix", "/both2"), 0,
		"differs: /both2: another value, with a TTL here and there",
		"read: 1 entries, 0 of them directories, at index 19", "made: 0, replaced: 0, same: 0, differ: 1, refused: 0, expired: 0, open: 0")
	wantImport(t, runImport(t, etcd, base, "--prefix", "/config/_secret"), 0,
		"read: 2 entries, 1 of them directories, at index 19", "made: 2, replaced: 0, same: 0, differ: 0, refused: 0, expired: 0, open: 0")
	for key, value := range map[registry.Key]string{"/config/db": "db1", "/config/_secret/pw": "hush"} {
		if n, err := store.Get(key, registry.GetOptions{}); err != nil || n.Value != value {
			t.Errorf("%s is %q, want %q; %v", key, n.Value, value, err)
		}
	}
}

// v2Error answers with an error of the v2 API.
func v2Error(w http.ResponseWriter, status, code int) bool {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errorCode":%d,"message":"m","cause":"c","index":1}`, code)
	return true
}

// importSource is a server with 100 keys in each of two directories, one in the other.
func importSource(t *testing.T) (base string) {
	t.Helper()
	base, store := importTarget(t, nil)
	for i := range 100 {
		for _, key := range []string{"/d/%03d", "/d/e/%03d"} {
			if _, err := store.Put(registry.Key(fmt.Sprintf(key, i)), registry.PutOptions{Value: "1"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return base
}

// A registry that fails in the middle ends the import, with the sums, and the next run does the rest.
func TestImportThatCannotGoOn(t *testing.T) {
	t.Parallel()
	from := importSource(t)
	for what, tt := range map[string]struct {
		fail   func(w http.ResponseWriter) bool
		code   int
		stderr string
	}{
		"full":          {func(w http.ResponseWriter) bool { return v2Error(w, 403, 120) }, exitRefused, "120: m (c) [1]"},
		"not permitted": {func(w http.ResponseWriter) bool { return v2Error(w, 401, 110) }, exitRefused, "110: m (c) [1]"},
		"disk full":     {func(w http.ResponseWriter) bool { return v2Error(w, 500, 300) }, exitUnavailable, "the write may have been done or not: 300: m (c) [1]"},
		"not ready":     {func(w http.ResponseWriter) bool { return v2Error(w, 503, 301) }, exitUnavailable, "no registry node answers"},
		"cut off":       {func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) }, exitUnavailable, "the write may have been done or not: EOF"},
	} {
		var writes, fails atomic.Int64
		fails.Store(1)
		base, _ := importTarget(t, func(_ *registry.Store, w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPut && writes.Add(1) > 50 && fails.Load() == 1 && tt.fail(w)
		})
		got := runImport(t, from, base)
		made := len(listed(t, base))
		if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) {
			t.Errorf("%s: code %d, want %d; %s", what, got.code, tt.code, got.stderr)
		}
		wantImport(t, got, tt.code, "read: 202 entries, 2 of them directories, at index "+indexOf(t, from),
			fmt.Sprintf("made: %d, replaced: 0, same: 0, differ: 0, refused: 0, expired: 0, open: %d", made, 202-made))
		if made != 50 {
			t.Errorf("%s: %d entries were made", what, made)
		}
		fails.Store(0)
		wantImport(t, runImport(t, from, base), 0, "read: 202 entries, 2 of them directories, at index "+indexOf(t, from),
			fmt.Sprintf("made: %d, replaced: 0, same: %d, differ: 0, refused: 0, expired: 0, open: 0", 202-made, made))
	}
}

// indexOf is a server's index.
func indexOf(t *testing.T, base string) string {
	t.Helper()
	return request(t, "GET", base+"/v2/keys/", "").Header.Get("X-Etcd-Index")
}

// What one key is refused for does not stop the others; a node that finds the import too fast is waited for.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	from := importSource(t)
	var slowed atomic.Int64
	base, _ := importTarget(t, func(_ *registry.Store, w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/v2/keys/d/007":
			return v2Error(w, 413, 210)
		case r.Method == http.MethodPut && r.URL.Path == "/v2/keys/d/e/042" && slowed.Add(1) < 3:
			return v2Error(w, 429, 120)
		}
		return false
	})
	wantImport(t, runImport(t, from, base), exitRefused, "refused: /d/007: 210: m (c) [1]", "read: 202 entries, 2 of them directories, at index "+indexOf(t, from),
		"made: 201, replaced: 0, same: 0, differ: 0, refused: 1, expired: 0, open: 0")
	if n := len(listed(t, base)); n != 201 || slowed.Load() != 3 {
		t.Errorf("%d entries, written after %d attempts", n, slowed.Load())
	}
}

// A key that comes up between the look and the write stays as it is.
func TestImportBesideOthers(t *testing.T) {
	t.Parallel()
	from := importSource(t)
	base, store := importTarget(t, func(store *registry.Store, _ http.ResponseWriter, r *http.Request) bool {
		value, mine := map[string]string{"/v2/keys/d/001": "1", "/v2/keys/d/002": "2"}[r.URL.Path]
		if mine && r.Method == http.MethodPut {
			if _, err := store.Put(registry.Key(strings.TrimPrefix(r.URL.Path, "/v2/keys")), registry.PutOptions{Value: value}); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	wantImport(t, runImport(t, from, base), 0, "differs: /d/002: another value", "read: 202 entries, 2 of them directories, at index "+indexOf(t, from),
		"made: 200, replaced: 0, same: 1, differ: 1, refused: 0, expired: 0, open: 0")
	if n, err := store.Get("/d/002", registry.GetOptions{}); err != nil || n.Value != "2" {
		t.Errorf("%q, %v", n.Value, err)
	}
}

// What has run out while the others were written is not brought back; of the rest the time that has gone by is missing.
func TestImportOfOldLeases(t *testing.T) {
	t.Parallel()
	base, store := importTarget(t, nil)
	to, err := client.New([]string{base}, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	gone, left := &importItem{key: "/gone", ttl: 30 * time.Second}, &importItem{key: "/left", ttl: 90 * time.Second}
	job := &importJob{to: to, items: []*importItem{gone, left}, read: time.Now().Add(-time.Minute)}
	if err := job.run(t.Context(), nil); err != nil || gone.outcome != isExpired || left.outcome != isMade {
		t.Errorf("%v, %v, %v", gone.outcome, left.outcome, err)
	}
	n, err := store.Get("/left", registry.GetOptions{})
	if ttl := n.TTL(); err != nil || ttl > 30*time.Second || ttl < 10*time.Second {
		t.Errorf("a TTL of %v, %v", ttl, err)
	}
	if diff := cmp.Diff([]string{"/left="}, listed(t, base)); diff != "" {
		t.Error(diff)
	}
}

func TestImportUsage(t *testing.T) {
	t.Parallel()
	etcd := difftest.StartEtcd(t).URL
	secret, err := url.Parse(etcd)
	if err != nil {
		t.Fatal(err)
	}
	secret.User, secret.Path = url.UserPassword("root", "secret"), "/no"
	for _, tt := range []struct {
		code   int
		stderr string
		args   []string
	}{
		{exitFailure, "^Error:  --from required\n", nil},
		{exitFailure, "^Error:  unexpected argument \"/a\"\n", []string{"--from", etcd, "/a"}},
		{exitFailure, "^Error:  source: client: a certificate needs its key", []string{"--from", etcd, "--from-cert", "x"}},
		{exitFailure, "^Error:  client: a certificate needs its key", []string{"--from", etcd, "--cert", "x"}},
		{exitRefused, `^Error:  source: 100: Key not found \(/none\)`, []string{"--from", etcd, "--prefix", "/none"}},
		{exitUnavailable, "^Error:  source: no registry node answers: http://127.0.0.1:1: ", []string{"--from", "http://127.0.0.1:1"}},
		{exitUnavailable, "^Error:  source: no registry node answers: http://root:xxxxx@127.0.0.1:[0-9]+/no: ", []string{"--from", secret.String()}},
		{exitUnavailable, "^Error:  no registry node answers: http://127.0.0.1:1: ", []string{"--from", etcd, "--endpoints", "http://127.0.0.1:1"}},
	} {
		wantRun(t, tt.code, "^$", tt.stderr, append([]string{"import"}, tt.args...)...)
	}
}
