package nginx

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// put renders pools into the rig's file, without a syncer, and returns the file.
func (r *rig) put(t *testing.T, pools ...lbsync.Pool) []byte {
	t.Helper()
	file, err := newTarget(t, r.conf).Driver.Render(pools)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, r.config, string(file))
	return file
}

// reload has nginx load what is in place, and waits for the proof.
func (r *rig) reload(t *testing.T) error {
	t.Helper()
	proof, err := newTarget(t, r.conf).Driver.Reload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return proof(t.Context())
}

func (r *rig) live(t *testing.T, file []byte) lbsync.Live {
	t.Helper()
	live, err := newTarget(t, r.conf).Driver.Live(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return live
}

func TestLiveTellsWhatNginxServes(t *testing.T) {
	r := newRig(t)
	first := r.put(t, newPoolOf(t, "frontends", "127.0.0.2:80"))
	if live := r.live(t, first); live.Blind || !live.Running || live.Reload != "serves no generation" {
		t.Errorf("before the first reload: %+v", live)
	}
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	if live := r.live(t, first); live.Blind || !live.Running || live.Reload != "" || live.Hot || live.Servers != nil {
		t.Errorf("after it: %+v", live)
	}
	second := r.put(t, newPoolOf(t, "frontends", "127.0.0.3:80"))
	m := newMarker(r.config, "")
	want := "serves generation " + m.of(first) + ", not " + m.of(second)
	if live := r.live(t, second); !live.Running || live.Reload != want {
		t.Errorf("with another file: %+v", live)
	}
	plan, err := newTarget(t, r.conf).Driver.Plan(t.Context(), second)
	if err != nil || !plan.Running || plan.Reload != want || plan.Commands != nil {
		t.Errorf("plan %+v, %v", plan, err)
	}
}

func TestNginxThatDoesNotRun(t *testing.T) {
	r := newRig(t)
	file := r.put(t, newPoolOf(t, "frontends", "127.0.0.2:80"))
	pid, err := os.ReadFile(filepath.Join(r.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := (lbsync.Command{"kill", strings.TrimSpace(string(pid))}).Run(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	lbtest.Eventually(t, 5*time.Second, "it is seen not to run", func() bool {
		live := r.live(t, file)
		return !live.Running && live.Reload == "" && !live.Blind
	})
}

func TestWithoutVerify(t *testing.T) {
	r := newRig(t)
	r.conf.Verify = ""
	driver := newTarget(t, r.conf).Driver
	file := r.put(t, newPoolOf(t, "frontends", "127.0.0.2:80"))
	if live := r.live(t, file); !live.Blind {
		t.Errorf("got %+v", live)
	}
	if plan, err := driver.Plan(t.Context(), file); err != nil || !plan.Running || plan.Reload != "" {
		t.Errorf("the same file: %+v, %v", plan, err)
	}
	if plan, err := driver.Plan(t.Context(), []byte("another")); err != nil || plan.Reload == "" {
		t.Errorf("another file: %+v, %v", plan, err)
	}
	if err := r.reload(t); err != nil {
		t.Error(err)
	}
}

// A worker with a request under way stays.
func TestOldWorkersAreCounted(t *testing.T) {
	r := newRig(t)
	release, arrived := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	t.Cleanup(slow.Close)
	file := r.put(t, newPoolOf(t, "frontends", slow.Listener.Addr().String()))
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	answered := make(chan string, 1)
	go func() {
		_, trouble := lbtest.Get(context.WithoutCancel(t.Context()), r.port)
		answered <- trouble
	}()
	<-arrived
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	if live := r.live(t, file); live.OldWorkers != 1 || live.Reload != "" {
		t.Errorf("got %+v", live)
	}
	r.conf.Verify = ""
	if live := r.live(t, file); live.OldWorkers != 1 {
		t.Errorf("blind: got %+v", live)
	}
	close(release)
	if trouble := <-answered; trouble != "" {
		t.Error("the request under way failed:", trouble)
	}
	lbtest.Eventually(t, 5*time.Second, "the old worker is gone", func() bool { return r.live(t, file).OldWorkers == 0 })
}

// Both files tell their generation at the same address.
func TestTwoTargetsInOneNginx(t *testing.T) {
	r := newRig(t)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	port := lbtest.FreePort(t)
	writeFile(t, filepath.Join(r.dir, "conf.d", "operator.conf"),
		"server { listen 127.0.0.1:"+port+"; location / { proxy_pass http://api; } }\n")
	api := r.conf
	api.Config, api.Services = filepath.Join(r.dir, "conf.d", "api.conf"), []string{"api"}
	r.more = []lbsync.Nginx{api}
	// The operator's server needs the upstream from the beginning.
	writeFile(t, api.Config, "upstream api { server 127.0.0.1:1 down; }\n")
	r.registry.Set(prefix, "fe1", one.Addr)
	r.registry.Set(apiPrefix, "api1", two.Addr)
	r.start(t)
	lbtest.Eventually(t, 10*time.Second, "each has its own", func() bool {
		return r.only(t, "one") && lbtest.Only(t.Context(), port, "two")
	})
	lbtest.Eventually(t, 10*time.Second, "both are in sync", func() bool {
		targets := r.syncer.Stats().Targets
		return targets[0].InSync && targets[1].InSync
	})
	for _, conf := range []lbsync.Nginx{r.conf, api} {
		live, err := newTarget(t, conf).Driver.Live(t.Context(), []byte(readFile(t, conf.Config)))
		if err != nil || live.Reload != "" {
			t.Errorf("%s: %+v, %v", conf.Config, live, err)
		}
	}
}

func TestFileThatIsNotIncluded(t *testing.T) {
	r := newRig(t)
	r.conf.Config = filepath.Join(r.dir, "elsewhere.conf")
	r.config = r.conf.Config
	r.put(t, newPoolOf(t, "frontends", "127.0.0.2:80"))
	begin := time.Now()
	if err := r.reload(t); err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
}

// Whoever listens at the address may be somebody else.
func TestAnswersThatAreNoGeneration(t *testing.T) {
	const good = "0123456789abcdef"
	for name, tt := range map[string]struct {
		answers []string // in turn, for ever; "" is status 500
		want    string
	}{
		"a generation":        {[]string{good + "\n"}, good},
		"too short":           {[]string{"0123\n"}, ""},
		"a page":              {[]string{"<html>" + strings.Repeat("x", 10_000)}, ""},
		"an error":            {[]string{""}, ""},
		"an old one for ever": {[]string{good + "\n", "fedcba9876543210\n"}, "fedcba9876543210"},
	} {
		t.Run(name, func(t *testing.T) {
			var n int
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				answer := tt.answers[n%len(tt.answers)]
				n++
				if answer == "" {
					http.Error(w, good, http.StatusInternalServerError)
					return
				}
				_, _ = io.WriteString(w, answer) // The client tells.
			}))
			defer server.Close()
			got, err := newMarker("x", server.Listener.Addr().String()).served(t.Context(), good)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// An answer that breaks off is neither yes nor no.
func TestAnswerThatBreaksOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	conf := lbsync.Nginx{Config: "x", Services: []string{"frontends"}, Verify: server.Listener.Addr().String()}
	d := newTarget(t, conf).Driver
	file, err := d.Render([]lbsync.Pool{newPoolOf(t, "frontends", "10.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	if live, err := d.Live(t.Context(), file); err == nil {
		t.Errorf("got %+v", live)
	}
	if _, err := d.Live(t.Context(), []byte("no generation\n")); err == nil {
		t.Error("a file without generation is taken")
	}
}
