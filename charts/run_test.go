package charts_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// registry is the program, as the image has it.
var registry = sync.OnceValues(func() (string, error) {
	program, err := filepath.Abs("../bin/chart-test/registry")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/registry")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

func registryProgram(t *testing.T) string {
	t.Helper()
	program, err := registry()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// output is written by a process while a test reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startProcess runs a program until the test ends, and shows what it said if the test has failed.
func startProcess(t *testing.T, name string, args ...string) {
	t.Helper()
	var said output
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%s %s:\n%s", name, strings.Join(args, " "), said.String())
		}
	})
}

// freePorts returns ports that are free for TCP now.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	return ports
}

// eventually waits until a check passes.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// fetch wants an answer with the status 200 and a text in it.
func fetch(url, want string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		return fmt.Errorf("%s: %s: %s", url, resp.Status, body)
	}
	return nil
}

// words returns the strings of a list in a container.
func words(c map[string]any, key string) []string {
	var all []string
	for _, w := range at[[]any](c, key) {
		all = append(all, fmt.Sprint(w))
	}
	return all
}

func replaced(words []string, pairs ...string) []string {
	r := strings.NewReplacer(pairs...)
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = r.Replace(w)
	}
	return all
}

// startNode runs what the StatefulSet runs, with other addresses and directories. join stands in for the name of the
// headless service, since there is no DNS here; more are further replacements in the arguments.
func startNode(t *testing.T, all []object, name, client, gossip, join string, more ...string) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	args := replaced(nodeArgs(all), append(more, "$(POD_NAME)", name, "$(POD_IP)", "127.0.0.1", "0.0.0.0", "127.0.0.1", "=/data", "="+data,
		"127.0.0.1:6060", "127.0.0.1:0", ":4001", ":"+client, ":7946", ":"+gossip)...)
	var kept []string
	for _, a := range args {
		if !strings.HasPrefix(a, "--join=") {
			kept = append(kept, a)
		} else if join != "" {
			kept = append(kept, "--join="+join)
		}
	}
	startProcess(t, registryProgram(t), kept...)
}

// startOneNode starts a node alone, waits until it is ready, and returns its URL.
func startOneNode(t *testing.T, set string) string {
	t.Helper()
	ports := freePorts(t, 2)
	startNode(t, objects(t, mustRender(t, set)), "node-0", ports[0], ports[1], "")
	url := "http://127.0.0.1:" + ports[0]
	eventually(t, "ready", func() error { return fetch(url+"/readyz", "ok") })
	return url
}

// nodeArgs are the arguments of a node.
func nodeArgs(all []object) []string {
	for _, o := range all {
		if o.kind() == "StatefulSet" {
			return words(list(o, "spec", "template", "spec", "containers")[0], "args")
		}
	}
	return nil
}

// The node has the flags that each value set gives it.
func TestNodeHasTheFlags(t *testing.T) {
	help, err := exec.CommandContext(t.Context(), registryProgram(t), "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range valueSets(t) {
		args := nodeArgs(objects(t, mustRender(t, set)))
		if len(args) < 8 || args[0] != "serve" {
			t.Fatalf("%s: arguments %q", set, args)
		}
		for _, arg := range args[1:] {
			flag, _, _ := strings.Cut(arg, "=")
			if !regexp.MustCompile(`(?m)^ *` + flag + `\b`).Match(help) {
				t.Errorf("%s: registry serve has no flag %s", set, flag)
			}
		}
	}
}

// limitFlag is a flag of a limit in the help of "registry serve".
var limitFlag = regexp.MustCompile(`(?m)^ +--max-([a-z-]+) \w+ .*?(?:\(default (\d+)\))?$`)

// The values have each limit of the node, with the node's default.
func TestLimitsAreTheNodes(t *testing.T) {
	help, err := runRegistry(t, "serve", "--help")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range limitFlag.FindAllStringSubmatch(help, -1) {
		if f[1] != "body" {
			want = append(want, "--max-"+f[1]+"="+cmp.Or(f[2], "0"))
		}
	}
	var got []string
	for _, arg := range nodeArgs(objects(t, mustRender(t, "default"))) {
		if strings.HasPrefix(arg, "--max-") && !strings.HasPrefix(arg, "--max-body=") {
			got = append(got, arg)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("the chart gives\n%q, the node has by itself\n%q", got, want)
	}
}

// A node takes the limits of the values: what is above them is refused.
func TestLimitsRun(t *testing.T) {
	url := startOneNode(t, "backup")
	for size, ok := range map[int]bool{4096: true, 4097: false} {
		out, err := runRegistry(t, "set", "/a", strings.Repeat("x", size), "--endpoints="+url)
		if ok != (err == nil) || !ok && !strings.Contains(out, "the limit is 4096 (max-value)") {
			t.Errorf("%d bytes: %v: %s", size, err, out)
		}
	}
}

// The nodes of the default set become one cluster: what one takes, another has.
func TestClusterRuns(t *testing.T) {
	all := objects(t, mustRender(t, "default"))
	ports := freePorts(t, 6)
	join := "127.0.0.1:" + strings.Join(ports[3:], ",127.0.0.1:")
	for i := range 3 {
		startNode(t, all, fmt.Sprintf("rc-rollcall-%d", i), ports[i], ports[3+i], join)
	}
	for _, port := range ports[:3] {
		eventually(t, "ready", func() error { return fetch("http://127.0.0.1:"+port+"/readyz", "ok") })
	}
	eventually(t, "three members", func() error {
		return fetch("http://127.0.0.1:"+ports[0]+"/v2/machines", "rc-rollcall-2.rc-rollcall-headless.ns.svc:"+ports[2])
	})
	set := exec.CommandContext(t.Context(), registryProgram(t), "set", "/frontends/fe1", "10.0.1.1", "--endpoints=http://127.0.0.1:"+ports[0])
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the entry is at another node", func() error { return fetch("http://127.0.0.1:"+ports[1]+"/v2/keys/frontends/fe1", "10.0.1.1") })
}

// A node alone waits for nobody.
func TestMinimalRuns(t *testing.T) {
	for _, arg := range nodeArgs(objects(t, mustRender(t, "minimal"))) {
		if strings.HasPrefix(arg, "--join") {
			t.Errorf("a node alone has the argument %s, and waits for others", arg)
		}
	}
	url := startOneNode(t, "minimal")
	if err := fetch(url+"/version", "rollcall"); err != nil {
		t.Error(err)
	}
}

// What "helm test" runs passes at a node, and fails where there is none.
func TestHelmTestRuns(t *testing.T) {
	url := startOneNode(t, "balancer")
	runHelmTest(t, objects(t, mustRender(t, "default")), "http://"+release+"-rollcall:4001", url)
	if err := fetch(url+"/v2/keys/_helm-test/", `"nodes"`); err == nil {
		t.Error("helm test leaves keys behind")
	}
}

// runHelmTest runs the steps of "helm test" at a node whose URL is another one than that of the service; more are further
// replacements in the arguments.
func runHelmTest(t *testing.T, all []object, service, url string, more ...string) {
	t.Helper()
	pod := find(t, all, "Pod", release+"-rollcall-test")
	steps := append(list(pod, "spec", "initContainers"), list(pod, "spec", "containers")...)
	if len(steps) < 6 {
		t.Fatalf("%d steps, want six", len(steps))
	}
	for i, step := range steps {
		args := replaced(words(step, "args"), append(more, service, url, "--ttl=30", "--ttl=8")...)
		if out, err := runRegistry(t, args...); err != nil {
			t.Fatalf("%s: %v: %s", at[string](step, "name"), err, out)
		}
		if i > 0 {
			continue
		}
		nowhere := replaced(args, url, url[:strings.LastIndex(url, ":")]+":"+freePorts(t, 1)[0])
		if _, err := runRegistry(t, nowhere...); err == nil {
			t.Errorf("%s passes without a registry", at[string](step, "name"))
		}
	}
}

// runRegistry runs a command to its end.
func runRegistry(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	out, err := exec.CommandContext(ctx, registryProgram(t), args...).CombinedOutput()
	return string(out), err
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The balancer's pod works: HAProxy starts with the file from the ConfigMap, lbsync brings it to the registry's hosts, and
// what is registered gets requests.
func TestBalancerRuns(t *testing.T) {
	all := objects(t, mustRender(t, "balancer"))
	url := startOneNode(t, "balancer")
	runBalancer(t, all, "http://"+release+"-rollcall:4001", url, nil)
}

// runBalancer runs the balancer's pod at a node whose URL is another one than that of the service. Clients are the flags of
// commands that ask it, more are further replacements.
func runBalancer(t *testing.T, all []object, service, url string, clients []string, more ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"config", "run", "state"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ports := freePorts(t, 2)
	here := slices.Concat(more, []string{
		"/run/rollcall", dir + "/run", "/var/lib/rollcall", dir + "/state", "/config/", dir + "/config/", service, url,
		"0.0.0.0:4002", "127.0.0.1:" + ports[1], "[::]:4002", "127.0.0.1:" + ports[1], "[::]:8080", "127.0.0.1:" + ports[0], ":8080", "127.0.0.1:" + ports[0],
	})
	config := find(t, all, "ConfigMap", release+"-rollcall-balancer")
	for name, text := range at[map[string]any](config, "data") {
		writeFile(t, filepath.Join(dir, "config", name), strings.NewReplacer(here...).Replace(text.(string)))
	}
	spec := at[map[string]any](find(t, all, "Deployment", release+"-rollcall-balancer"), "spec", "template", "spec")
	command := func(c map[string]any) []string { return replaced(words(c, "command"), here...) }
	start := command(list(spec, "initContainers")[0])
	if out, err := exec.CommandContext(t.Context(), start[0], start[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", start, err, out)
	}
	for _, c := range list(spec, "containers") {
		words := command(c)
		if words[0] == "registry" {
			words[0] = registryProgram(t)
		}
		startProcess(t, words[0], words[1:]...)
	}

	haproxy := list(spec, "containers")[0]
	ready := replaced(words(at[map[string]any](haproxy, "readinessProbe", "exec"), "command"), here...)
	probe := func() error { return exec.CommandContext(t.Context(), ready[0], ready[1:]...).Run() }
	eventually(t, "HAProxy listens", func() error {
		if err := fetch("http://127.0.0.1:"+ports[0]+"/", ""); err == nil || !strings.Contains(err.Error(), "503") {
			return fmt.Errorf("%w, want a 503", err)
		}
		return nil
	})
	eventually(t, "lbsync lives", func() error { return fetch("http://127.0.0.1:"+ports[1]+"/livez", "ok") })
	if probe() == nil {
		t.Error("the balancer is ready without a host")
	}

	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello from fe1") }))
	t.Cleanup(host.Close)
	if out, err := runRegistry(t, append(clients, "set", "/frontends/fe1", host.Listener.Addr().String(), "--endpoints="+url)...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the host is served", func() error { return fetch("http://127.0.0.1:"+ports[0]+"/", "hello from fe1") })
	eventually(t, "the balancer is ready", probe)
	if _, err := os.Stat(filepath.Join(dir, "run", "master.sock")); errors.Is(err, os.ErrNotExist) {
		t.Error("no master socket: changes would not be loaded")
	}
}
