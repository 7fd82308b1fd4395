package haproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/lbsync"
	"rollcall/lbsync/lbtest"
)

// A liveRig is a real HAProxy that runs a rendered file, and its driver.
type liveRig struct {
	dir, config, port string
	daemon            lbtest.Daemon
	conf              lbsync.HAProxy
	driver            *Driver
}

// newLiveRig renders a file for the values and starts HAProxy with it. Edit changes the built-in template; nil for none.
func newLiveRig(t *testing.T, edit func(string) string, values ...string) *liveRig {
	t.Helper()
	r := &liveRig{port: lbtest.FreePort(t)}
	var err error
	// The directories of t.TempDir are too long for a socket's path.
	if r.dir, err = os.MkdirTemp("", "hx"); err != nil { //nolint:usetesting // See above.
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(r.dir) }) // What is left lies in the system's directory for that.
	r.config = filepath.Join(r.dir, "haproxy.cfg")
	r.conf = lbsync.HAProxy{
		Config: r.config, Bind: "127.0.0.1:" + r.port, Services: []string{"frontends"},
		RuntimeSocket: filepath.Join(r.dir, "rt.sock"), MasterSocket: filepath.Join(r.dir, "m.sock"),
		Check: lbsync.Command{lbtest.Program(t, "haproxy"), "-c", "-f", "{file}"},
	}
	if edit != nil {
		r.conf.Template = filepath.Join(r.dir, "tmpl")
		writeFile(t, r.conf.Template, edit(builtIn))
	}
	r.driver = r.newDriver(t)
	writeFile(t, r.config, string(r.render(t, values...)))
	r.launch(t)
	return r
}

// newDriver makes a driver that knows nothing yet.
func (r *liveRig) newDriver(t *testing.T) *Driver {
	t.Helper()
	target, err := NewTarget(r.conf, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return target.Driver.(*Driver)
}

func (r *liveRig) launch(t *testing.T) {
	t.Helper()
	r.daemon = lbtest.Start(t, lbtest.Program(t, "haproxy"), "-W", "-S", filepath.Join(r.dir, "m.sock"), "-f", r.config)
	lbtest.Eventually(t, 5*time.Second, "HAProxy answers", func() bool {
		_, _, err := identify(t.Context(), r.driver.runtime)
		// The master executes itself anew after its start, and is deaf until then.
		_, deaf := askMaster(t.Context(), socket{filepath.Join(r.dir, "m.sock"), commandTimeout})
		return err == nil && deaf == nil
	})
}

// kill ends HAProxy and waits until nobody listens.
func (r *liveRig) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-r.daemon.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	lbtest.Eventually(t, 5*time.Second, "HAProxy has ended", func() bool {
		_, err := r.driver.runtime.ask(t.Context(), askInfo)
		return errors.Is(err, errNotRunning)
	})
}

func (r *liveRig) render(t *testing.T, values ...string) []byte {
	t.Helper()
	file, err := r.driver.Render([]lbsync.Pool{pool(t, "frontends", values...)})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// bring has the driver bring HAProxy to the values, and puts the file in place.
func (r *liveRig) bring(t *testing.T, values ...string) lbsync.Live {
	t.Helper()
	file := r.render(t, values...)
	live, err := r.driver.Live(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, r.config, string(file))
	return live
}

// mustBring is bring where no reload may be needed.
func (r *liveRig) mustBring(t *testing.T, values ...string) lbsync.Live {
	t.Helper()
	live := r.bring(t, values...)
	if live.Reload != "" || !live.Hot || !live.Running {
		t.Fatalf("%+v", live)
	}
	return live
}

// reload loads the file in place and waits for the proof.
func (r *liveRig) reload(t *testing.T) error {
	t.Helper()
	proof, err := r.driver.Reload(t.Context())
	if err != nil {
		return err
	}
	return proof(t.Context())
}

// tell sends HAProxy a command as an operator would.
func (r *liveRig) tell(t *testing.T, command string) {
	t.Helper()
	if _, err := r.driver.runtime.ask(t.Context(), command); err != nil {
		t.Fatal(err)
	}
}

func (r *liveRig) reloads(t *testing.T) int {
	t.Helper()
	procs, err := askMaster(t.Context(), r.driver.master)
	if err != nil {
		t.Fatal(err)
	}
	return procs.reloads
}

func (r *liveRig) only(t *testing.T, who ...string) bool {
	t.Helper()
	return lbtest.Only(t.Context(), r.port, who...)
}

func nameOf(t *testing.T, value string) string {
	t.Helper()
	return "frontends/" + server(t, value).Name()
}

// 200 changes under load: no request fails, and nothing is reloaded.
func TestChangesUnderLoad(t *testing.T) {
	r := newLiveRig(t, nil)
	var addrs []string
	for i := range 5 {
		addrs = append(addrs, lbtest.NewBackend(t, strconv.Itoa(i), fmt.Sprintf("127.0.0.%d", i+2)).Addr)
	}
	r.mustBring(t, addrs[0], addrs[1])
	load := lbtest.StartLoad(t, r.port, 400)
	commands, leaving := 0, 0
	for i := range 200 {
		values := []string{addrs[i%5], addrs[(i+1)%5]} // One comes and one goes.
		if i%7 == 0 {
			values[0] = fmt.Sprintf(`{"addr":%q,"weight":%d}`, values[0], i%100+1)
		}
		if i%11 == 0 {
			values = append(values, fmt.Sprintf(`{"addr":%q,"state":"drain"}`, addrs[(i+2)%5]))
		}
		live := r.mustBring(t, values...)
		commands += live.Commands
		leaving = max(leaving, len(live.Servers)-len(values))
		sent := load.Done()
		lbtest.Eventually(t, 5*time.Second, "requests get through", func() bool { return load.Done() > sent+5 })
	}
	if failures := load.Stop(); len(failures) > 0 {
		t.Errorf("%d of %d requests failed: %q", len(failures), load.Done(), failures[0])
	}
	if n := r.reloads(t); n != 0 {
		t.Errorf("%d reloads", n)
	}
	t.Logf("%d requests, %d commands, at most %d servers leaving", load.Done(), commands, leaving)
}

// From an empty backend with balance random, every server gets traffic (haproxy/haproxy issue 3413).
func TestRandomBalanceFromEmpty(t *testing.T) {
	r := newLiveRig(t, func(s string) string { return strings.Replace(s, "balance roundrobin", "balance random", 1) })
	var addrs, names []string
	for i := range 4 {
		names = append(names, strconv.Itoa(i))
		addrs = append(addrs, lbtest.NewBackend(t, names[i], fmt.Sprintf("127.0.0.%d", i+2)).Addr)
	}
	r.mustBring(t, addrs...)
	seen := lbtest.Answers(t.Context(), r.port, 200)
	if len(seen) != len(names) {
		t.Errorf("answers %v", seen)
	}
}

// A server whose request goes on cannot be deleted. Nothing waits for it; when the host comes back it is used again,
// and when the request has ended the server goes.
func TestServerThatIsBusyLeavesLater(t *testing.T) {
	r := newLiveRig(t, nil)
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	release, slow := slowBackend(t)
	r.mustBring(t, slow)
	answer := make(chan string, 1)
	go func() {
		body, trouble := lbtest.Get(context.WithoutCancel(t.Context()), r.port)
		answer <- body + trouble
	}()
	lbtest.Eventually(t, 5*time.Second, "the request is under way", func() bool {
		return r.mustBring(t, slow).Servers[0].Sessions == 1
	})
	began := time.Now()
	live := r.mustBring(t, one.Addr)
	if took := time.Since(began); took > time.Second {
		t.Errorf("removing took %v", took)
	}
	i := slices.IndexFunc(live.Servers, func(s lbsync.Served) bool { return s.Leaving })
	if i < 0 || live.Servers[i].Sessions != 1 || live.Servers[i].State != lbsync.Down {
		t.Fatalf("%+v", live.Servers)
	}
	if again := r.mustBring(t, slow, one.Addr); len(again.Servers) != 2 || again.Servers[0].Leaving || again.Servers[1].Leaving {
		t.Errorf("after it came back: %+v", again.Servers)
	}
	r.mustBring(t, one.Addr)
	release()
	if got := <-answer; got != "slow" {
		t.Errorf("the request under way got %q", got)
	}
	lbtest.Eventually(t, 5*time.Second, "the server is deleted", func() bool { return len(r.mustBring(t, one.Addr).Servers) == 1 })
}

// slowBackend answers once release is called, at the latest when the test ends.
func slowBackend(t *testing.T) (release func(), addr string) {
	t.Helper()
	ctx, release := context.WithCancel(context.WithoutCancel(t.Context()))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-ctx.Done()
		_, _ = w.Write([]byte("slow")) // The test sees what is missing.
	}))
	t.Cleanup(s.Close)
	t.Cleanup(release)
	return release, s.Listener.Addr().String()
}

// A backend that takes no servers by command is reloaded for new ones, and loses removed ones at once all the same.
func TestStaticBackendReloads(t *testing.T) {
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r := newLiveRig(t, func(s string) string { return strings.Replace(s, "balance roundrobin", "balance static-rr", 1) }, one.Addr)
	live := r.bring(t, one.Addr, two.Addr)
	if !strings.Contains(live.Reload, "takes no servers by command") || live.Hot {
		t.Errorf("%+v", live)
	}
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	if live := r.bring(t, one.Addr, two.Addr); live.Reload != "" || live.Commands != 0 {
		t.Errorf("after the reload: %+v", live)
	}
	if live := r.bring(t, two.Addr); live.Reload != "" || !r.only(t, "two") {
		t.Errorf("after a removal: %+v", live)
	}
}

// What somebody does to the servers by hand is undone.
func TestDriftIsRepaired(t *testing.T) {
	r := newLiveRig(t, nil)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	three := lbtest.NewBackend(t, "three", "127.0.0.4")
	r.mustBring(t, one.Addr, two.Addr)
	name := nameOf(t, one.Addr)
	_, port, _ := net.SplitHostPort(three.Addr)
	for _, commands := range [][]string{
		{"set server " + name + " state maint"},
		{"set server " + name + " state drain"},
		{"set server " + name + " weight 0"},
		{"disable health " + name},
		{"set maxconn server " + name + " 1"},
		{"set server " + name + " state maint", "del server " + name},
		{"set server " + name + " addr 127.0.0.4 port " + port},
		{"add server frontends/stranger " + three.Addr, "set server frontends/stranger state ready"},
		{"add server " + nameOf(t, three.Addr) + " " + three.Addr, "set server " + nameOf(t, three.Addr) + " state ready"},
	} {
		for _, c := range commands {
			r.tell(t, c)
		}
		if live := r.mustBring(t, one.Addr, two.Addr); live.Commands == 0 || len(live.Servers) != 2 {
			t.Errorf("%q: %+v", commands, live)
		}
		if !r.only(t, "one", "two") {
			t.Errorf("%q: traffic is not what it was", commands)
		}
		if live := r.mustBring(t, one.Addr, two.Addr); live.Commands != 0 {
			t.Errorf("%q: not at rest: %+v", commands, live)
		}
	}
	if n := r.reloads(t); n != 0 {
		t.Errorf("%d reloads", n)
	}
}

// Options that no command changes are changed by deleting and adding the server, or by a reload if it stands alone.
func TestOtherOptions(t *testing.T) {
	r := newLiveRig(t, nil)
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	slow := fmt.Sprintf(`{"addr":%q,"slowstart":1}`, one.Addr)
	r.mustBring(t, one.Addr, two.Addr)
	if live := r.mustBring(t, slow, two.Addr); live.Commands != 5 {
		t.Errorf("other options: %+v", live)
	}
	if live := r.mustBring(t, slow, two.Addr); live.Commands != 0 {
		t.Errorf("not at rest: %+v", live)
	}
	limited := fmt.Sprintf(`{"addr":%q,"slowstart":1,"maxconn":7}`, one.Addr)
	for _, value := range []string{limited, slow} {
		if live := r.mustBring(t, value, two.Addr); live.Commands != 1 {
			t.Errorf("%s: %+v", value, live)
		}
	}
	r.mustBring(t, slow)
	if live := r.bring(t, one.Addr); live.Reload == "" || live.Commands != 0 {
		t.Errorf("the only server: %+v", live)
	}
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	r.mustBring(t, one.Addr)
}

// A HAProxy that somebody restarts has lost nothing, and one that is not there is told from one that does not answer.
func TestRestartByHand(t *testing.T) {
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r := newLiveRig(t, nil, one.Addr)
	r.mustBring(t, one.Addr)
	first := readFile(t, r.config)
	r.mustBring(t, one.Addr, two.Addr)
	r.kill(t)
	if live := r.bring(t, one.Addr, two.Addr); live.Running || live.Reload != "" || live.Blind {
		t.Errorf("without HAProxy: %+v", live)
	}
	writeFile(t, r.config, first) // An old file, with one server.
	r.launch(t)
	if live := r.mustBring(t, one.Addr, two.Addr); live.Commands != 3 || !r.only(t, "one", "two") {
		t.Errorf("after the restart: %+v", live)
	}
}

// A new driver, as after a restart of lbsync, leaves alone what is right, and takes the ids that run.
func TestNewDriverFindsAllRight(t *testing.T) {
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r := newLiveRig(t, nil, one.Addr)
	r.tell(t, fmt.Sprintf("add server %s %s id 77 weight 100 check", nameOf(t, two.Addr), two.Addr))
	r.mustBring(t, one.Addr, two.Addr)
	r.driver = r.newDriver(t)
	if live := r.mustBring(t, one.Addr, two.Addr); live.Commands != 0 {
		t.Errorf("%+v", live)
	}
	if file := string(r.render(t, one.Addr, two.Addr)); !strings.Contains(file, two.Addr+" id 77 ") {
		t.Errorf("the running id is not in the file:\n%s", file)
	}
}

// Another structure needs a reload; removed servers are out before it.
func TestOtherStructure(t *testing.T) {
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r := newLiveRig(t, nil, one.Addr)
	r.conf.Template = filepath.Join(r.dir, "tmpl")
	writeFile(t, r.conf.Template, strings.Replace(builtIn, "retries 3", "retries 2", 1))
	r.driver = r.newDriver(t)
	live := r.bring(t, two.Addr)
	if live.Reload == "" || live.Hot || !r.only(t, "two") {
		t.Errorf("before the reload: %+v", live)
	}
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	if live := r.mustBring(t, two.Addr); live.Commands != 0 {
		t.Errorf("after the reload: %+v", live)
	}
}

// Plan tells and does nothing.
func TestPlanChangesNothing(t *testing.T) {
	one, two := lbtest.NewBackend(t, "one", "127.0.0.2"), lbtest.NewBackend(t, "two", "127.0.0.3")
	r := newLiveRig(t, nil, one.Addr)
	for range 2 {
		plan, err := r.driver.Plan(t.Context(), r.render(t, two.Addr))
		if err != nil || len(plan.Commands) != 5 || plan.Reload != "" || !plan.Running {
			t.Errorf("%+v %v", plan, err)
		}
	}
	if !r.only(t, "one") {
		t.Error("a plan was carried out")
	}
}

// An old worker's requests count as the server's.
func TestOldWorkersAreCounted(t *testing.T) {
	release, slow := slowBackend(t)
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	r := newLiveRig(t, nil, slow)
	answer := make(chan string, 1)
	go func() {
		body, trouble := lbtest.Get(context.WithoutCancel(t.Context()), r.port)
		answer <- body + trouble
	}()
	lbtest.Eventually(t, 5*time.Second, "the request is under way", func() bool {
		return r.mustBring(t, slow).Servers[0].Sessions == 1
	})
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	if live := r.mustBring(t, slow); live.OldWorkers != 1 || live.Servers[0].Sessions != 1 {
		t.Errorf("%+v", live)
	}
	live := r.mustBring(t, one.Addr)
	if i := slices.IndexFunc(live.Servers, func(s lbsync.Served) bool { return s.Leaving }); i < 0 || live.Servers[i].Sessions != 1 {
		t.Errorf("removed: %+v", live)
	}
	release()
	if got := <-answer; got != "slow" {
		t.Errorf("got %q", got)
	}
	lbtest.Eventually(t, 5*time.Second, "the old worker is gone", func() bool { return r.mustBring(t, one.Addr).OldWorkers == 0 })
}

// With 4,000 servers, one change takes no time that anybody would notice.
func TestFourThousandServers(t *testing.T) {
	var values []string
	for i := range 4001 {
		values = append(values, fmt.Sprintf("127.1.%d.%d:1", i/250, i%250+1))
	}
	r := newLiveRig(t, func(s string) string {
		return strings.ReplaceAll(s, " check inter 2s fastinter 500ms fall 2 rise 2", "")
	}, values[1:]...)
	best := time.Hour
	for i := range 4 {
		file := r.render(t, values[i%2:4000+i%2]...)
		began := time.Now()
		live, err := r.driver.Live(t.Context(), file)
		if err != nil || live.Reload != "" || len(live.Servers) < 4000 {
			t.Fatalf("%v %q", err, live.Reload)
		}
		best = min(best, time.Since(began))
	}
	t.Logf("one change among 4,000 servers: %v", best)
	if best > time.Second {
		t.Error("too slow")
	}
}

func TestReloadByCommandIsProvenByTheMarker(t *testing.T) {
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	r := newLiveRig(t, nil, one.Addr)
	r.conf.MasterSocket = ""
	r.conf.Reload = lbsync.Command{"sh", "-c", fmt.Sprintf("kill -USR2 %d", r.daemon.PID)}
	r.driver = r.newDriver(t)
	if err := r.reload(t); err != nil {
		t.Fatal(err)
	}
	r.mustBring(t, one.Addr)
}

// A file that HAProxy cannot load leaves the old worker, and is told.
func TestMasterTellsOfFailure(t *testing.T) {
	one := lbtest.NewBackend(t, "one", "127.0.0.2")
	r := newLiveRig(t, nil, one.Addr)
	good := readFile(t, r.config)
	for name, bad := range map[string]string{
		"syntax":        good + "nonsense\n",
		"bind conflict": strings.Replace(good, "bind 127.0.0.1:"+r.port, "bind "+one.Addr, 1),
	} {
		writeFile(t, r.config, bad)
		if err := r.reload(t); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if !r.only(t, "one") {
			t.Errorf("%s: traffic is lost", name)
		}
	}
	writeFile(t, r.config, good)
	for range 2 {
		if err := r.reload(t); err != nil {
			t.Error(err)
		}
	}
	r.mustBring(t, one.Addr)
}
